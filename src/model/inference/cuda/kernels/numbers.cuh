// Numbers in memory and in the fragments that the tensor cores multiply.
//
// A fragment `a` holds 16 rows and a `b` 8 columns of K_STEP numbers along k; a result `c` 16 rows and 8 columns. With
// g = lane / 4 and q = lane % 4 a lane has
//   c: row g columns 2q, 2q+1, then row g+8 the same;
//   a: rows g, g+8 at k = 2q, 2q+1, then rows g, g+8 at k = 2q+8, 2q+9            (16-bit numbers, K_STEP 16)
//      rows g, g+8 at the k of slot q, then rows g, g+8 at the k of slot q+4       (32-bit numbers, K_STEP 8)
//   b: column g at the k of a row's first half, then of its second half.
// Which k of memory stands in a slot is free as long as a and b agree. *Paired* fragments have k = 2q in slot q and
// 2q+1 in slot q+4, which is where results are, so that a result is the next product's a without leaving its lane. For
// 16-bit numbers paired and plain are the same.
#pragma once
#include "device.cuh"

#if PRECISION >= 2
constexpr int K_STEP = 16;
#else
constexpr int K_STEP = 8;
#endif
// Numbers in 16 bytes, and in the 128 bytes of a row of a tile in shared memory.
constexpr int PER_UNIT = 16 / sizeof(Element);
constexpr int PER_LINE = 128 / sizeof(Element);
// Number of results of 8 columns that make one fragment a.
constexpr int RESULTS_PER_A = K_STEP / 8;
// A score whose weight is zero.
#define MINUS_INFINITY real(0xff800000u)

DEVICE float to_float(Element x) {
#if PRECISION == 3
    return real(static_cast<unsigned>(x) << 16);
#elif PRECISION == 2
    return half_to_float(x);
#else
    return x;
#endif
}

// Converts a number to the form in which it is stored for a product.
DEVICE float as_stored(float x) {
#if PRECISION == 1
    return round_tf32(x);
#else
    return x;
#endif
}

// Stores two neighbours; `to` is aligned to both.
DEVICE void store_pair(Element *to, float first, float second) {
#if PRECISION >= 2
    *reinterpret_cast<unsigned *>(to) = pack(first, second);
#else
    to[0] = as_stored(first);
    to[1] = as_stored(second);
#endif
}

DEVICE void store_one(Element *to, float x) {
#if PRECISION >= 2
    *to = static_cast<Element>(pack(x, 0.0f) & 0xffffu);
#else
    *to = as_stored(x);
#endif
}

struct A {
    unsigned r[4];
};
struct B {
    unsigned r[2];
};

DEVICE void multiply(float (&c)[4], const A &a, const B &b) {
#if PRECISION == 0
    // Each number becomes the sum of two numbers of 11 bits; the part left out is below 2^-22 of the product.
    A high, low;
    B above, below;
    UNROLL for (int i = 0; i < 4; i++) {
        high.r[i] = a.r[i] & 0xffffe000u;
        low.r[i] = bits(real(a.r[i]) - real(high.r[i]));
    }
    UNROLL for (int i = 0; i < 2; i++) {
        above.r[i] = b.r[i] & 0xffffe000u;
        below.r[i] = bits(real(b.r[i]) - real(above.r[i]));
    }
    multiply_words(c, low.r, above.r);
    multiply_words(c, high.r, below.r);
    multiply_words(c, high.r, above.r);
#else
    multiply_words(c, a.r, b.r);
#endif
}

DEVICE int lane_row() { return (threadIdx.x & 31) >> 2; }
DEVICE int lane_pair() { return 2 * (threadIdx.x & 3); }

// Returns the words of numbers `at`, `at + 1` of a row in memory, zero from `limit` on; both are even.
DEVICE void load_pair(unsigned &first, unsigned &second, const Element *row, int at, int limit) {
#if PRECISION >= 2
    first = at < limit ? *reinterpret_cast<const unsigned *>(row + at) : 0u;
    second = at + 8 < limit ? *reinterpret_cast<const unsigned *>(row + at + 8) : 0u;
#else
    first = at < limit ? bits(row[at]) : 0u;
    second = at < limit ? bits(row[at + 1]) : 0u;
#endif
}

// Returns the paired fragment a of two rows in memory, starting at number `k`.
DEVICE A load_a(const Element *row, const Element *row_8, int k, int limit) {
    A a;
    load_pair(a.r[0], a.r[2], row, k + lane_pair(), limit);
    load_pair(a.r[1], a.r[3], row_8, k + lane_pair(), limit);
    return a;
}

// Returns the paired fragment b of a row in memory that represents a column, starting at number `k`.
DEVICE B load_b(const Element *column, int k, int limit) {
    B b;
    load_pair(b.r[0], b.r[1], column, k + lane_pair(), limit);
    return b;
}

// Returns the paired fragment b of a matrix in memory, starting at row `k`; rows are `stride` apart, and zero from row
// `limit` on.
DEVICE B load_b_down(const Element *column, size_t stride, int k, int limit) {
    B b;
    const int at = k + lane_pair();
#if PRECISION >= 2
    UNROLL for (int i = 0; i < 2; i++) {
        const int row = at + 8 * i;
        const unsigned low = row < limit ? column[row * stride] : 0u;
        const unsigned high = row + 1 < limit ? column[(row + 1) * stride] : 0u;
        b.r[i] = low | high << 16;
    }
#else
    b.r[0] = at < limit ? bits(column[at * stride]) : 0u;
    b.r[1] = at + 1 < limit ? bits(column[(at + 1) * stride]) : 0u;
#endif
    return b;
}

// Returns the results of K_STEP columns as a paired fragment a.
DEVICE A results_as_a(const float (&c)[RESULTS_PER_A][4]) {
    A a;
#if PRECISION >= 2
    UNROLL for (int i = 0; i < 2; i++) {
        a.r[2 * i] = pack(c[i][0], c[i][1]);
        a.r[2 * i + 1] = pack(c[i][2], c[i][3]);
    }
#else
    a.r[0] = bits(as_stored(c[0][0]));
    a.r[1] = bits(as_stored(c[0][2]));
    a.r[2] = bits(as_stored(c[0][1]));
    a.r[3] = bits(as_stored(c[0][3]));
#endif
    return a;
}

// The reverse: returns the content of a paired fragment a as results.
DEVICE void a_as_results(float (&c)[RESULTS_PER_A][4], const A &a) {
#if PRECISION >= 2
    UNROLL for (int i = 0; i < 2; i++) UNROLL for (int j = 0; j < 2; j++) {
        c[i][2 * j] = to_float(static_cast<Element>(a.r[2 * i + j] & 0xffffu));
        c[i][2 * j + 1] = to_float(static_cast<Element>(a.r[2 * i + j] >> 16));
    }
#else
    c[0][0] = real(a.r[0]);
    c[0][2] = real(a.r[1]);
    c[0][1] = real(a.r[2]);
    c[0][3] = real(a.r[3]);
#endif
}

// Return the sum and the maximum over the four lanes that share a row.
DEVICE float row_sum(float x) {
    x += from_lane(x, 1);
    return x + from_lane(x, 2);
}
DEVICE float row_max(float x) {
    x = fmaxf(x, from_lane(x, 1));
    return fmaxf(x, from_lane(x, 2));
}

// gelu, x Phi(x), to 1e-7 (Abramowitz & Stegun 1964, 7.1.26; the formula's exponential also gives the density, here as
// a power of two).
DEVICE float gelu(float x) {
    const float t = reciprocal(1.0f + 0.23164189f * fabsf(x));
    const float e = exp2_fast(-0.72134752f * x * x);
    const float p = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    const float tail = 0.5f * p * e;
    return x * (x < 0.0f ? tail : 1.0f - tail);
}
