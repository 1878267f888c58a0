// Tiles of matrices in shared memory: rows of 128 bytes whose 16-byte units are permuted depending on the row, so that
// reading one unit of 8 rows at once touches every bank only once.
#pragma once
#include "numbers.cuh"

DEVICE unsigned char *unit_of(unsigned char *tile, int row, int unit) {
    return tile + row * 128 + ((unit ^ (row & 7)) << 4);
}

// Begins to copy `rows` rows of PER_LINE numbers, `stride` apart in memory.
DEVICE void copy_tile(unsigned char *tile, const Element *from, size_t stride, int rows) {
    for (int i = threadIdx.x; i < rows * 8; i += blockDim.x) {
        const int row = i >> 3, unit = i & 7;
        copy_16(unit_of(tile, row, unit), from + row * stride + unit * PER_UNIT);
    }
}

// Returns the plain fragment a of 16 rows starting with `row`, for step `step` of the four steps along a line.
DEVICE A tile_a(unsigned char *tile, int row, int step) {
    const int lane = threadIdx.x & 31;
    A a;
    load_matrices(a.r, unit_of(tile, row + (lane & 15), 2 * step + (lane >> 4)));
    return a;
}

// Returns the plain fragment b of 16 columns starting with `row`, for step `step` of the four steps along a line.
DEVICE void tile_b(B (&b)[2], unsigned char *tile, int row, int step) {
    const int lane = threadIdx.x & 31;
    unsigned r[4];
    load_matrices(r, unit_of(tile, row + (lane & 7) + ((lane >> 4) << 3), 2 * step + ((lane >> 3) & 1)));
    b[0].r[0] = r[0];
    b[0].r[1] = r[1];
    b[1].r[0] = r[2];
    b[1].r[1] = r[3];
}

// Returns the plain fragment b of 8 columns starting with `row`, for steps `step` and `step + 1` of the four steps
// along a line.
DEVICE void tile_b_long(B (&b)[2], unsigned char *tile, int row, int step) {
    const int lane = threadIdx.x & 31;
    unsigned r[4];
    load_matrices(r, unit_of(tile, row + (lane & 7), 2 * step + (lane >> 3)));
    b[0].r[0] = r[0];
    b[0].r[1] = r[1];
    b[1].r[0] = r[2];
    b[1].r[1] = r[3];
}

// Computes the layer norm of 16 rows of WIDTH numbers that are stored as results; weight and bias are read two numbers
// at a time.
template <int COLUMNS>
DEVICE void norm_rows(float (&x)[COLUMNS][4], const float *weight, const float *bias) {
    constexpr float SHARE = 1.0f / (8 * COLUMNS);
    UNROLL for (int half = 0; half < 4; half += 2) {
        float sum = 0.0f, squares = 0.0f;
        UNROLL for (int n = 0; n < COLUMNS; n++) sum += x[n][half] + x[n][half + 1];
        const float mean = row_sum(sum) * SHARE;
        UNROLL for (int n = 0; n < COLUMNS; n++) {
            x[n][half] -= mean;
            x[n][half + 1] -= mean;
            squares += x[n][half] * x[n][half] + x[n][half + 1] * x[n][half + 1];
        }
        // PyTorch's epsilon, which the published model uses.
        const float scale = reciprocal_root(row_sum(squares) * SHARE + LAYER_NORM_EPSILON);
        UNROLL for (int n = 0; n < COLUMNS; n++) {
            const int column = 8 * n + lane_pair();
            x[n][half] = x[n][half] * scale * weight[column] + bias[column];
            x[n][half + 1] = x[n][half + 1] * scale * weight[column + 1] + bias[column + 1];
        }
    }
}
