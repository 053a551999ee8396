// What all kernels share. No header is included, so that NVRTC needs no CUDA installation.

typedef long long i64;

constexpr int WARP = 32;
constexpr int WARPS = THREADS / WARP;

// Half precision is read and never computed in.
struct Half {
    unsigned short bits;
};
struct Bfloat16 {
    unsigned short bits;
};

template <class T>
__device__ inline T number(T x) {
    return x;
}

__device__ inline float number(Bfloat16 x) { return __uint_as_float((unsigned int)x.bits << 16); }

__device__ inline float number(Half x) {
#ifdef __CUDA_ARCH__
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(x.bits));
    return wide;
#else
    unsigned int sign = (unsigned int)(x.bits & 0x8000) << 16;
    unsigned int rest = (unsigned int)(x.bits & 0x7fff) << 13;
    if ((x.bits & 0x7c00) == 0x7c00) return __uint_as_float(sign | 0x7f800000u | rest);
    float size = __uint_as_float(rest) * 0x1p112f;  // moves the bias, subnormal numbers included
    return sign ? -size : size;
#endif
}

// Neighbours that are loaded by one instruction, of up to 16 bytes.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
    T item[N];
};

template <int N, class T>
__device__ inline Pack<T, N> load(const T* from) {
    return *reinterpret_cast<const Pack<T, N>*>(from);
}

// Some axes of several arrays that broadcast against one another; the last varies fastest.
template <int ARRAYS>
struct Axes {
    i64 count;
    i64 shape[DIMS];
    i64 stride[ARRAYS][DIMS];
};

// Adds the offsets of the entry with that number among the axes.
template <int ARRAYS>
__device__ inline void locate(const Axes<ARRAYS>& axes, i64 index, i64 (&offset)[ARRAYS]) {
    for (int a = (int)axes.count - 1; a >= 0; --a) {
        i64 at;
        if (index < (1ll << 32) && axes.shape[a] < (1ll << 32)) {  // 64-bit division is slow
            unsigned int length = (unsigned int)axes.shape[a], rest = (unsigned int)index;
            at = rest % length;
            index = rest / length;
        } else {
            at = index % axes.shape[a];
            index /= axes.shape[a];
        }
        for (int k = 0; k < ARRAYS; ++k) offset[k] += at * axes.stride[k][a];
    }
}

template <class T>
__device__ inline T warp_sum(T value) {
    for (int reach = WARP / 2; reach > 0; reach /= 2) {
        value += __shfl_down_sync(0xffffffffu, value, reach);
    }
    return value;  // in lane 0
}

// Adds up each of N values over the threads of a block, always in the same order; in thread 0.
template <int N>
__device__ inline void block_sum(double (&value)[N]) {
    __shared__ double of_warp[N][WARPS];
    for (int k = 0; k < N; ++k) {
        double sum = warp_sum(value[k]);
        if (threadIdx.x % WARP == 0) of_warp[k][threadIdx.x / WARP] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int k = 0; k < N; ++k) {
            value[k] = 0;
            for (int w = 0; w < WARPS; ++w) value[k] += of_warp[k][w];
        }
    }
}
