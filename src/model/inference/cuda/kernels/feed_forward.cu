// The two dense layers of a block in one kernel: x = norm(x + W2 gelu(W1 x + b1) + b2). The hidden layer never leaves
// the registers: as in attention without a softmax, the results of PER_LINE hidden units at a time become the next
// product's fragment a.
//
// x (rows, ld) is updated in place; W1 (hidden, ld) and W2 (WIDTH, hidden) are row-major, with hidden padded with zeros
// to whole lines. For 32-bit numbers each K_STEP of both matrices' rows is stored in the order 0, 2, 4, 6, 1, 3, 5, 7,
// because fragments are paired here.
#pragma once
#include "tile.cuh"

constexpr int FEED_WARPS = 4;
// Groups of 16 rows per warp: as many as the registers can hold.
constexpr int FEED_GROUPS = WIDTH <= 128 && PRECISION >= 2 ? 2 : 1;
constexpr int FEED_ROWS = FEED_WARPS * FEED_GROUPS * 16;
constexpr int FEED_STAGES = WIDTH <= 128 ? 3 : 2;
// Number of lines of a row of x, and number of bytes of a stage: PER_LINE rows of W1 and WIDTH lines of W2.
constexpr int FEED_LINES = (WIDTH + PER_LINE - 1) / PER_LINE;
constexpr int FEED_STAGE = (FEED_LINES * PER_LINE + WIDTH) * 128;

DEVICE void copy_feed(const Element *w1, const Element *w2, int ld, int hidden, int line, unsigned char *shared) {
    unsigned char *stage = shared + line % FEED_STAGES * FEED_STAGE;
    const Element *rows = w1 + static_cast<size_t>(line) * PER_LINE * ld;
    for (int i = 0; i < FEED_LINES; i++) copy_tile(stage + i * PER_LINE * 128, rows + i * PER_LINE, ld, PER_LINE);
    copy_tile(stage + FEED_LINES * PER_LINE * 128, w2 + line * PER_LINE, hidden, WIDTH);
}

// Computes gelu(W1 x + b1) for K_STEP hidden units, starting with `unit` in a stage.
DEVICE void hidden_units(A (&out)[FEED_GROUPS], const A (&x)[FEED_GROUPS][WIDTH / K_STEP], unsigned char *stage,
                         int unit, const float *bias) {
    float c[FEED_GROUPS][RESULTS_PER_A][4];
    UNROLL for (int n = 0; n < RESULTS_PER_A; n++) {
        const float first = bias[unit + 8 * n + lane_pair()], second = bias[unit + 8 * n + lane_pair() + 1];
        UNROLL for (int m = 0; m < FEED_GROUPS; m++) {
            c[m][n][0] = c[m][n][2] = first;
            c[m][n][1] = c[m][n][3] = second;
        }
    }
#if PRECISION >= 2
    UNROLL for (int k = 0; k < WIDTH / K_STEP; k++) {
        B b[2];
        tile_b(b, stage + (k >> 2) * PER_LINE * 128, unit, k & 3);
        UNROLL for (int m = 0; m < FEED_GROUPS; m++) UNROLL for (int n = 0; n < 2; n++) multiply(c[m][n], x[m][k], b[n]);
    }
#else
    UNROLL for (int k = 0; k < WIDTH / K_STEP; k += 2) {
        B b[2];
        tile_b_long(b, stage + (k >> 2) * PER_LINE * 128, unit, k & 3);
        UNROLL for (int m = 0; m < FEED_GROUPS; m++) UNROLL for (int i = 0; i < 2; i++) {
            multiply(c[m][0], x[m][k + i], b[i]);
        }
    }
#endif
    UNROLL for (int m = 0; m < FEED_GROUPS; m++) {
        UNROLL for (int n = 0; n < RESULTS_PER_A; n++) UNROLL for (int i = 0; i < 4; i++) c[m][n][i] = gelu(c[m][n][i]);
        out[m] = results_as_a(c[m]);
    }
}

// Grid: tiles of FEED_ROWS rows; the number of rows is sizes[of] * times.
KERNEL(FEED_WARPS * 32) feed_forward(Element *x, const Element *w1, const float *b1, const Element *w2, const float *b2,
                                     const float *norm_weight, const float *norm_bias, int ld, int hidden, int of,
                                     int times, const int *sizes) {
    SHARED_MEMORY(shared);
    const size_t first = static_cast<size_t>(blockIdx.x) * FEED_ROWS;
    if (first >= static_cast<size_t>(sizes[of]) * times) return;
    Element *own = x + (first + threadIdx.x / 32 * FEED_GROUPS * 16 + lane_row()) * ld;
    const int lines = hidden / PER_LINE;
    for (int line = 0; line < FEED_STAGES - 1; line++) {
        if (line < lines) copy_feed(w1, w2, ld, hidden, line, shared);
        copies_commit();
    }
    A in[FEED_GROUPS][WIDTH / K_STEP];
    float c[FEED_GROUPS][WIDTH / 8][4];
    UNROLL for (int m = 0; m < FEED_GROUPS; m++) {
        const Element *row = own + static_cast<size_t>(16 * m) * ld;
        UNROLL for (int k = 0; k < WIDTH / K_STEP; k++) {
            in[m][k] = load_a(row, row + static_cast<size_t>(8) * ld, K_STEP * k, WIDTH);
        }
        UNROLL for (int n = 0; n < WIDTH / 8; n++) UNROLL for (int i = 0; i < 4; i++) c[m][n][i] = 0.0f;
    }
    for (int line = 0; line < lines; line++) {
        copies_wait<FEED_STAGES - 2>();
        barrier();
        if (line + FEED_STAGES - 1 < lines) copy_feed(w1, w2, ld, hidden, line + FEED_STAGES - 1, shared);
        copies_commit();
        unsigned char *stage = shared + line % FEED_STAGES * FEED_STAGE;
        // All four at once would need more registers than there are.
        UNROLL_TWICE for (int step = 0; step < 4; step++) {
            A units[FEED_GROUPS];
            hidden_units(units, in, stage, step * K_STEP, b1 + line * PER_LINE);
            UNROLL for (int n = 0; n < WIDTH / 8; n += 2) {
                B b[2];
                tile_b(b, stage + FEED_LINES * PER_LINE * 128, 8 * n, step);
                UNROLL for (int m = 0; m < FEED_GROUPS; m++) {
                    multiply(c[m][n], units[m], b[0]);
                    multiply(c[m][n + 1], units[m], b[1]);
                }
            }
        }
    }
    UNROLL for (int m = 0; m < FEED_GROUPS; m++) {
        UNROLL for (int k = 0; k < WIDTH / K_STEP; k++) {
            float before[RESULTS_PER_A][4];
            a_as_results(before, in[m][k]);
            UNROLL for (int n = 0; n < RESULTS_PER_A; n++) UNROLL for (int i = 0; i < 4; i++) {
                const int column = K_STEP * k + 8 * n + lane_pair() + (i & 1);
                c[m][k * RESULTS_PER_A + n][i] += before[n][i] + b2[column];
            }
        }
        norm_rows(c[m], norm_weight, norm_bias);
        Element *row = own + static_cast<size_t>(16 * m) * ld + lane_pair();
        UNROLL for (int n = 0; n < WIDTH / 8; n++) {
            store_pair(row + 8 * n, c[m][n][0], c[m][n][1]);
            store_pair(row + static_cast<size_t>(8) * ld + 8 * n, c[m][n][2], c[m][n][3]);
        }
    }
}
