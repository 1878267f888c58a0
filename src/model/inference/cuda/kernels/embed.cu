// The first and last layers of the network: from tokens to vectors, and from vectors to answers.
#pragma once
#include "numbers.cuh"

// Computes x[i] = gelu(scales[token] value + biases[token]) for each token i of the batch, (tokens, WIDTH) with rows
// `ld` apart. sizes[1] is the number of tokens. One thread per pair of numbers of a row.
KERNEL(256) embed(const unsigned short *tokens, const float *values, const float *scales, const float *biases,
                  Element *x, int ld, const int *sizes) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int row = i / (WIDTH / 2), column = 2 * (i % (WIDTH / 2));
    if (row >= sizes[1]) return;
    const size_t at = static_cast<size_t>(tokens[row]) * WIDTH + column;
    const float value = values[row];
    store_pair(x + static_cast<size_t>(row) * ld + column, gelu(scales[at] * value + biases[at]),
               gelu(scales[at + 1] * value + biases[at + 1]));
}

// Sets x[star * asked + i] = scales[requests[i]]. sizes[0] is the number of stars. One thread per pair of numbers of a
// row.
KERNEL(256) embed_requests(const int *requests, const float *scales, Element *x, int ld, int asked, const int *sizes) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int row = i / (WIDTH / 2), column = 2 * (i % (WIDTH / 2));
    if (row >= sizes[0] * asked) return;
    const float *scale = scales + static_cast<size_t>(requests[row % asked]) * WIDTH + column;
    store_pair(x + static_cast<size_t>(row) * ld + column, scale[0], scale[1]);
}

// Computes mean and log variance of each row with the last layer, which has two outputs: `weight` (2, k) and `bias` (2)
// in f32. One warp per row; `answers` is (rows, 2).
KERNEL(256) answer(const Element *x, int ld, int k, const float *weight, const float *bias, float *answers, int asked,
                   const int *sizes) {
    const int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x & 31;
    if (row >= sizes[0] * asked) return;
    const Element *from = x + static_cast<size_t>(row) * ld;
    float mean = 0.0f, log_variance = 0.0f;
    for (int i = lane; i < k; i += 32) {
        const float number = to_float(from[i]);
        mean += number * weight[i];
        log_variance += number * weight[k + i];
    }
    UNROLL for (int mask = 16; mask > 0; mask >>= 1) {
        mean += from_lane(mean, mask);
        log_variance += from_lane(log_variance, mask);
    }
    if (lane == 0) {
        answers[2 * row] = mean + bias[0];
        answers[2 * row + 1] = log_variance + bias[1];
    }
}

// Computes the mean of each star's tokens, zero if there are none: (stars, WIDTH) f32. The tokens of star i are
// starts[i] to starts[i + 1]. One block per star, one thread per column.
KERNEL(256) mean_token(const Element *x, int ld, const int *starts, float *means, const int *sizes) {
    const int star = blockIdx.x;
    if (star >= sizes[0]) return;
    const int first = starts[star], end = starts[star + 1];
    for (int column = threadIdx.x; column < WIDTH; column += blockDim.x) {
        float sum = 0.0f;
        for (int i = first; i < end; i++) sum += to_float(x[static_cast<size_t>(i) * ld + column]);
        means[static_cast<size_t>(star) * WIDTH + column] = end > first ? sum / (end - first) : 0.0f;
    }
}
