// The attention of a star's tokens to each other and to one additional learned key, and that of requests to the tokens.
// Warps share nothing, and there is no barrier: a warp has the keys and values of its head in registers.
//
// Scores are exponents of 2: the factor 1 / (sqrt(d) ln 2) is part of the weights of the queries.
#pragma once
#include "numbers.cuh"

constexpr int ATTENTION_WARPS = 4;
// Maximum number of a star's keys, in whole steps of k: its tokens and the extra key.
constexpr int KEYS = (SLOTS + 1 + K_STEP - 1) / K_STEP * K_STEP;
constexpr int KEY_TILES = KEYS / 8;
constexpr int KEY_STEPS = KEYS / K_STEP;

// Turns the scores of a row's keys into weights. Weights from `keys` on are zero; `extra` is the score of an additional
// key and becomes its weight. Weights are not divided by their sum; the sums of rows g and g + 8 are returned.
template <int TILES>
DEVICE void soften(float (&s)[TILES][4], int keys, float (&extra)[2], float (&sum)[2]) {
    UNROLL for (int half = 0; half < 2; half++) {
        float top = extra[half];
        UNROLL for (int t = 0; t < TILES; t++) UNROLL for (int i = 0; i < 2; i++) {
            if (8 * t + lane_pair() + i >= keys) s[t][2 * half + i] = MINUS_INFINITY;
            top = fmaxf(top, s[t][2 * half + i]);
        }
        top = row_max(top);
        float total = 0.0f;
        UNROLL for (int t = 0; t < TILES; t++) UNROLL for (int i = 0; i < 2; i++) {
            s[t][2 * half + i] = exp2_fast(s[t][2 * half + i] - top);
            total += s[t][2 * half + i];
        }
        extra[half] = exp2_fast(extra[half] - top);
        sum[half] = row_sum(total) + extra[half];
    }
}

// Returns the weights of K_STEP keys as a fragment a.
template <int TILES>
DEVICE A weights_as_a(const float (&s)[TILES][4], int step) {
    float c[RESULTS_PER_A][4];
    UNROLL for (int n = 0; n < RESULTS_PER_A; n++) UNROLL for (int i = 0; i < 4; i++) {
        c[n][i] = s[step * RESULTS_PER_A + n][i];
    }
    return results_as_a(c);
}

// Keys and values of a head of D numbers; the extra ones follow those of the tokens.
template <int D>
struct Head {
    static constexpr int STEPS = (D + K_STEP - 1) / K_STEP;
    static constexpr int COLUMNS = (D + 7) / 8;
    B keys[KEY_TILES][STEPS];
    B values[KEY_STEPS][COLUMNS];

    // `key` and `value` point to those of the head for the first token, in rows `ld` apart.
    DEVICE void load(const Element *key, const Element *value, const Element *extra_key, const Element *extra_value,
                     int ld, int tokens) {
        UNROLL for (int t = 0; t < KEY_TILES; t++) {
            const int i = 8 * t + lane_row();
            const Element *row = i < tokens ? key + static_cast<size_t>(i) * ld : extra_key;
            UNROLL for (int k = 0; k < STEPS; k++) keys[t][k] = load_b(row, K_STEP * k, i <= tokens ? D : 0);
        }
        UNROLL for (int k = 0; k < KEY_STEPS; k++) UNROLL for (int n = 0; n < COLUMNS; n++) {
            const int column = 8 * n + lane_row();
            values[k][n] = load_b_down(value + column, ld, K_STEP * k, column < D ? tokens : 0);
            put_extra(values[k][n], tokens - K_STEP * k, column < D ? extra_value[column] : Element(0));
        }
    }

    // Puts `value` in number `at` of a paired fragment b, if it belongs to this lane.
    static DEVICE void put_extra(B &b, int at, Element value) {
        const int slot = at - lane_pair();
#if PRECISION >= 2
        UNROLL for (int i = 0; i < 2; i++) {
            if (slot == 8 * i) b.r[i] |= value;
            if (slot == 8 * i + 1) b.r[i] |= static_cast<unsigned>(value) << 16;
        }
#else
        UNROLL for (int i = 0; i < 2; i++) {
            if (slot == i) b.r[i] = bits(value);
        }
#endif
    }
};

// Computes out (tokens, WIDTH), with rows `ld_out` apart, from `projected`, the queries, keys and values (tokens, 3
// WIDTH) with rows `ld` apart. One warp per head of each star.
template <int D>
DEVICE void attend(const Element *projected, const Element *extra_key, const Element *extra_value, Element *out, int ld,
                   int ld_out, const int *starts, const int *sizes) {
    constexpr int HEADS = WIDTH / D;
    const int task = blockIdx.x * ATTENTION_WARPS + threadIdx.x / 32;
    const int star = task / HEADS, at = task % HEADS * D;
    if (star >= sizes[0]) return;
    const int first = starts[star], tokens = starts[star + 1] - first;
    const Element *query = projected + static_cast<size_t>(first) * ld + at;
    Head<D> head;
    head.load(query + WIDTH, query + 2 * WIDTH, extra_key + at, extra_value + at, ld, tokens);
    for (int row = 0; row < tokens; row += 16) {
        const Element *own = query + static_cast<size_t>(row + lane_row()) * ld;
        A a[Head<D>::STEPS];
        UNROLL for (int k = 0; k < Head<D>::STEPS; k++) {
            a[k] = load_a(own, own + static_cast<size_t>(8) * ld, K_STEP * k, D);
        }
        float s[KEY_TILES][4];
        UNROLL for (int t = 0; t < KEY_TILES; t++) {
            UNROLL for (int i = 0; i < 4; i++) s[t][i] = 0.0f;
            if (8 * t <= tokens) {
                UNROLL for (int k = 0; k < Head<D>::STEPS; k++) multiply(s[t], a[k], head.keys[t][k]);
            }
        }
        // The extra key is among the keys.
        float none[2] = {MINUS_INFINITY, MINUS_INFINITY}, sum[2];
        soften(s, tokens + 1, none, sum);
        float c[Head<D>::COLUMNS][4];
        UNROLL for (int n = 0; n < Head<D>::COLUMNS; n++) UNROLL for (int i = 0; i < 4; i++) c[n][i] = 0.0f;
        UNROLL for (int k = 0; k < KEY_STEPS; k++) {
            if (K_STEP * k <= tokens) {
                const A weights = weights_as_a(s, k);
                UNROLL for (int n = 0; n < Head<D>::COLUMNS; n++) multiply(c[n], weights, head.values[k][n]);
            }
        }
        UNROLL for (int half = 0; half < 2; half++) {
            const int i = row + lane_row() + 8 * half;
            Element *to = out + static_cast<size_t>(first + i) * ld_out + at + lane_pair();
            UNROLL for (int n = 0; n < Head<D>::COLUMNS; n++) {
                if (i < tokens && 8 * n + lane_pair() < D) {
                    store_pair(to + 8 * n, c[n][2 * half] / sum[half], c[n][2 * half + 1] / sum[half]);
                }
            }
        }
    }
}

#define ATTEND(block, d)                                                                                                \
    KERNEL(ATTENTION_WARPS * 32) attend_##block(const Element *projected, const Element *extra_key,                     \
                                                const Element *extra_value, Element *out, int ld, int ld_out,           \
                                                const int *starts, const int *sizes) {                                  \
        attend<d>(projected, extra_key, extra_value, out, ld, ld_out, starts, sizes);                                   \
    }
ATTEND(first, FIRST_HEAD)
ATTEND(second, SECOND_HEAD)
