//! Softmax of one query's scores under a key mask, and its gradient, in place.

use super::exp::{SMALLEST, exp};

/// Turns scores into weights, `softmax(scores + mask)`; at least one key must be visible.
pub(super) fn weigh(scores: &mut [f32], mask: &[f32]) {
    let mut largest = f32::NEG_INFINITY;
    for (s, &m) in scores.iter_mut().zip(mask) {
        *s += m;
        largest = if *s > largest { *s } else { largest };
    }
    for s in scores.iter_mut() {
        let x = *s - largest;
        *s = if x < SMALLEST { 0.0 } else { exp(x) };
    }
    let scale = 1.0 / scores.iter().sum::<f32>();
    for s in scores.iter_mut() {
        *s *= scale;
    }
}

/// Turns the gradient with respect to the weights into that with respect to the scores: `w (g - sum(w g))`.
pub(super) fn slope(gradient: &mut [f32], weights: &[f32]) {
    let mean: f32 = weights.iter().zip(gradient.iter()).map(|(w, g)| w * g).sum();
    for (g, w) in gradient.iter_mut().zip(weights) {
        *g = w * (*g - mean);
    }
}
