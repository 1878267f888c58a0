// Dense layers: out = activation(x W^T + bias), optionally followed by the residual and layer norm of a block.
//
// x (rows, k) and W (outputs, k) are row-major; k is padded with zeros to whole lines, W and bias are padded with zeros
// to whole tiles of outputs, and the memory of x and out to whole tiles of rows. The number of rows is sizes[of] *
// times; blocks beyond it end at once, so that one launch serves every smaller batch.
#pragma once
#include "tile.cuh"

// Number of stages of the copy pipeline, each of which holds one line of k.
constexpr int DENSE_STAGES = 3;

// The product of a tile of WARPS_M * M * 16 rows with one of WARPS_N * N * 8 outputs; each warp computes M times N
// results of it.
template <int WARPS_M, int WARPS_N, int M, int N>
struct Product {
    static constexpr int ROWS = WARPS_M * M * 16;
    static constexpr int OUTPUTS = WARPS_N * N * 8;
    static constexpr int STAGE = (ROWS + OUTPUTS) * 128;

    // The position of this warp in the tile.
    static DEVICE int first_row() { return static_cast<int>(threadIdx.x / 32) / WARPS_N * M * 16; }
    static DEVICE int first_output() { return static_cast<int>(threadIdx.x / 32) % WARPS_N * N * 8; }

    static DEVICE void run(float (&c)[M][N][4], const Element *x, const Element *weight, int k, unsigned char *shared) {
        const int lines = k / PER_LINE;
        UNROLL for (int m = 0; m < M; m++) UNROLL for (int n = 0; n < N; n++) UNROLL for (int i = 0; i < 4; i++) {
            c[m][n][i] = 0.0f;
        }
        for (int line = 0; line < DENSE_STAGES - 1; line++) {
            if (line < lines) copy(x, weight, k, line, shared);
            copies_commit();
        }
        for (int line = 0; line < lines; line++) {
            copies_wait<DENSE_STAGES - 2>();
            // The line has arrived for every warp, and no warp reads the previous one any more.
            barrier();
            if (line + DENSE_STAGES - 1 < lines) copy(x, weight, k, line + DENSE_STAGES - 1, shared);
            copies_commit();
            unsigned char *tile = shared + line % DENSE_STAGES * STAGE;
            UNROLL for (int step = 0; step < 4; step++) {
                A a[M];
                UNROLL for (int m = 0; m < M; m++) a[m] = tile_a(tile, first_row() + 16 * m, step);
                UNROLL for (int n = 0; n < N; n += 2) {
                    B b[2];
                    tile_b(b, tile + ROWS * 128, first_output() + 8 * n, step);
                    UNROLL for (int m = 0; m < M; m++) {
                        multiply(c[m][n], a[m], b[0]);
                        multiply(c[m][n + 1], a[m], b[1]);
                    }
                }
            }
        }
    }

    static DEVICE void copy(const Element *x, const Element *weight, int k, int line, unsigned char *shared) {
        unsigned char *tile = shared + line % DENSE_STAGES * STAGE;
        copy_tile(tile, x + line * PER_LINE, k, ROWS);
        copy_tile(tile + ROWS * 128, weight + line * PER_LINE, k, OUTPUTS);
    }
};

typedef Product<4, 2, 2, 8> Wide;
typedef Product<8, 1, 1, WIDTH / 8> Whole;

// Computes out (rows, ld) = x W^T + bias, followed by gelu if `activate`. Grid: tiles of outputs, tiles of rows.
KERNEL(256) dense(const Element *x, const Element *weight, const float *bias, Element *out, int k, int ld, int activate,
                  int of, int times, const int *sizes) {
    SHARED_MEMORY(shared);
    const size_t row = static_cast<size_t>(blockIdx.y) * Wide::ROWS;
    if (row >= static_cast<size_t>(sizes[of]) * times) return;
    const int output = blockIdx.x * Wide::OUTPUTS;
    float c[2][8][4];
    Wide::run(c, x + row * k, weight + static_cast<size_t>(output) * k, k, shared);
    UNROLL for (int m = 0; m < 2; m++) UNROLL for (int n = 0; n < 8; n++) {
        const int column = output + Wide::first_output() + 8 * n + lane_pair();
        Element *to = out + (row + Wide::first_row() + 16 * m + lane_row()) * ld + column;
        UNROLL for (int half = 0; half < 2; half++) {
            float first = c[m][n][2 * half] + bias[column], second = c[m][n][2 * half + 1] + bias[column + 1];
            if (activate) {
                first = gelu(first);
                second = gelu(second);
            }
            store_pair(to + static_cast<size_t>(8 * half) * ld, first, second);
        }
    }
}

// Computes out = norm(out + x W^T + bias), where W has WIDTH outputs; `out` has rows `ld` apart. Grid: tiles of rows.
KERNEL(256) dense_norm(const Element *x, const Element *weight, const float *bias, const float *norm_weight,
                       const float *norm_bias, Element *out, int k, int ld, int of, int times, const int *sizes) {
    SHARED_MEMORY(shared);
    const size_t row = static_cast<size_t>(blockIdx.x) * Whole::ROWS;
    if (row >= static_cast<size_t>(sizes[of]) * times) return;
    float c[1][WIDTH / 8][4];
    Whole::run(c, x + row * k, weight, k, shared);
    Element *own = out + (row + Whole::first_row() + lane_row()) * ld + lane_pair();
    UNROLL for (int n = 0; n < WIDTH / 8; n++) UNROLL for (int i = 0; i < 4; i++) {
        const int column = 8 * n + (i & 1);
        c[0][n][i] += bias[column + lane_pair()] + to_float(own[static_cast<size_t>(8 * (i >> 1)) * ld + column]);
    }
    norm_rows(c[0], norm_weight, norm_bias);
    UNROLL for (int n = 0; n < WIDTH / 8; n++) {
        store_pair(own + 8 * n, c[0][n][0], c[0][n][1]);
        store_pair(own + static_cast<size_t>(8) * ld + 8 * n, c[0][n][2], c[0][n][3]);
    }
}
