// The attention of requests to a star's tokens. The projections of keys and values are absorbed into the layers before
// and after it: a line, which is one head of one request, provides the vector whose product with a token is its score,
// and receives the weighted mean of the tokens.
#pragma once
#include "attention.cu"

constexpr int TOKEN_STEPS = (SLOTS + K_STEP - 1) / K_STEP;
constexpr int TOKEN_TILES = TOKEN_STEPS * RESULTS_PER_A;

// `asking` has rows `ld_asking` apart: `heads` vectors of WIDTH, then the number that is added to all scores of each
// head, then each head's score of the extra key. Row `star * own + request` belongs to a request: `own` is `asked`, or
// 0 if all stars have the same requests. `means` (stars * asked) has rows `ld_means` apart: `heads` means of WIDTH,
// then each head's weight of the extra key. Grid: stars, groups of ATTENTION_WARPS * 16 lines.
KERNEL(ATTENTION_WARPS * 32) attend_requests(const Element *asking, const Element *x, Element *means, int ld_asking,
                                             int ld_x, int ld_means, int heads, int asked, int own, const int *starts,
                                             const int *sizes) {
    const int star = blockIdx.x, lines = asked * heads;
    const int line = (blockIdx.y * ATTENTION_WARPS + threadIdx.x / 32) * 16 + lane_row();
    if (star >= sizes[0] || line - lane_row() >= lines) return;
    const int first = starts[star], tokens = starts[star + 1] - first;
    const Element *token = x + static_cast<size_t>(first) * ld_x;

    const Element *vector[2];
    Element *mean[2];
    float common[2], extra[2], sum[2];
    int head[2];
    UNROLL for (int half = 0; half < 2; half++) {
        // Lines beyond the last repeat the work of the last one and store nothing.
        const int i = line + 8 * half < lines ? line + 8 * half : lines - 1;
        head[half] = i % heads;
        const Element *row = asking + (static_cast<size_t>(star) * own + i / heads) * ld_asking;
        vector[half] = row + head[half] * WIDTH;
        common[half] = to_float(row[heads * WIDTH + head[half]]);
        extra[half] = to_float(row[heads * WIDTH + heads + head[half]]);
        mean[half] = means + (static_cast<size_t>(star) * asked + i / heads) * ld_means;
    }
    float s[TOKEN_TILES][4];
    UNROLL for (int t = 0; t < TOKEN_TILES; t++) UNROLL for (int i = 0; i < 4; i++) s[t][i] = common[i >> 1];
    UNROLL for (int k = 0; k < WIDTH; k += K_STEP) {
        const A a = load_a(vector[0], vector[1], k, WIDTH);
        UNROLL for (int t = 0; t < TOKEN_TILES; t++) {
            if (8 * t < tokens) {
                const int i = 8 * t + lane_row();
                const Element *column = token + static_cast<size_t>(i) * ld_x;
                multiply(s[t], a, load_b(column, k, i < tokens ? WIDTH : 0));
            }
        }
    }
    soften(s, tokens, extra, sum);
    A weights[TOKEN_STEPS];
    UNROLL for (int k = 0; k < TOKEN_STEPS; k++) weights[k] = weights_as_a(s, k);
    for (int n = 0; n < WIDTH / 8; n++) {
        float c[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        UNROLL for (int k = 0; k < TOKEN_STEPS; k++) {
            if (K_STEP * k < tokens) {
                multiply(c, weights[k], load_b_down(token + 8 * n + lane_row(), ld_x, K_STEP * k, tokens));
            }
        }
        UNROLL for (int half = 0; half < 2; half++) {
            if (line + 8 * half < lines) {
                Element *to = mean[half] + head[half] * WIDTH + 8 * n + lane_pair();
                store_pair(to, c[2 * half] / sum[half], c[2 * half + 1] / sum[half]);
            }
        }
    }
    UNROLL for (int half = 0; half < 2; half++) {
        if (line + 8 * half < lines && lane_pair() == 0) {
            store_one(mean[half] + heads * WIDTH + head[half], extra[half] / sum[half]);
        }
    }
}
