// The machine operations that the kernels need, as instructions of compute capability 8.0 and later. No CUDA header is
// used, so a machine needs only the driver and the runtime compiler.
//
// If the kernels are compiled as plain C++ with LAMCAT_EMULATED defined, emulated.h provides the same names.
#pragma once

// The storage type of numbers: 0 f32, 1 tf32, 2 f16, 3 bf16. Sums are always f32.
#ifndef PRECISION
#define PRECISION 3
#endif
#if PRECISION >= 2
typedef unsigned short Element;
#else
typedef float Element;
#endif

#ifdef LAMCAT_EMULATED
#include "emulated.h"
#else
#define DEVICE __device__ __forceinline__
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads)
#define SHARED_MEMORY(name) extern __shared__ __align__(128) unsigned char name[]
#define UNROLL _Pragma("unroll")
#define UNROLL_TWICE _Pragma("unroll 2")

DEVICE unsigned bits(float x) { return __float_as_uint(x); }
DEVICE float real(unsigned x) { return __uint_as_float(x); }
DEVICE void barrier() { __syncthreads(); }
DEVICE float from_lane(float x, int xor_mask) { return __shfl_xor_sync(0xffffffffu, x, xor_mask); }

DEVICE float exp2_fast(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

DEVICE float reciprocal(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

DEVICE float reciprocal_root(float x) { return rsqrtf(x); }

// Rounds to tf32, ties away from zero.
DEVICE float round_tf32(float x) {
    unsigned y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return real(y);
}

// Packs two numbers as 16-bit floats into a word, the first in the low half.
DEVICE unsigned pack(float low, float high) {
    unsigned word;
#if PRECISION == 2
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
#endif
    return word;
}

DEVICE float half_to_float(unsigned short x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
    return y;
}

// Copies 16 bytes to shared memory asynchronously; `copies_commit` ends a group of copies, and `copies_wait<N>` waits
// until all but the last N groups have arrived.
DEVICE void copy_16(void *to, const void *from) {
    unsigned at = static_cast<unsigned>(__cvta_generic_to_shared(to));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(at), "l"(from) : "memory");
}
DEVICE void copies_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> DEVICE void copies_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

// Loads four matrices of 8 rows of 16 bytes: lane `l` gives the address of row `l % 8` of matrix `l / 8` and gets word
// `l % 4` of row `l / 4` of each.
DEVICE void load_matrices(unsigned (&r)[4], const void *row) {
    unsigned at = static_cast<unsigned>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

// Computes c += a b on the tensor cores; a is 16 rows of 32 bytes, b 8 columns of 32 bytes.
DEVICE void multiply_words(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#if PRECISION == 3
#define SHAPE "m16n8k16.row.col.f32.bf16.bf16.f32"
#elif PRECISION == 2
#define SHAPE "m16n8k16.row.col.f32.f16.f16.f32"
#else
#define SHAPE "m16n8k8.row.col.f32.tf32.tf32.f32"
#endif
    asm volatile("mma.sync.aligned." SHAPE " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#undef SHAPE
}
#endif
