// The mean of the keys' values under a softmax over keys, and the logarithm of its denominator.
//
// A thread holds one pixel and walks over the keys, which the block reads into shared memory a few
// at a time: no array of pixels times keys exists. Exponents are formed in double, since they are
// large and cancel; what remains below the largest so far is rounded to ACC.

struct Regression {
    const double* query;  // (SIZE, pixels)
    const double* key;    // (keys, SIZE)
    const double* bias;   // (keys)
    const ACC* value;     // (VALUES, keys)
    ACC* mean;            // (VALUES, pixels)
    double* log_total;    // (pixels)
    i64 pixels, keys;
};

constexpr int TILE = 64, GROUP = 8;

struct Keys {
    double key[TILE][SIZE], bias[TILE];
    ACC value[TILE][VALUES];

    __device__ inline void read(const Regression& r, i64 first, int count) {
        for (int k = threadIdx.x; k < count * SIZE; k += THREADS) {
            key[k / SIZE][k % SIZE] = r.key[first * SIZE + k];
        }
        for (int k = threadIdx.x; k < count; k += THREADS) bias[k] = r.bias[first + k];
        for (int k = threadIdx.x; k < count * VALUES; k += THREADS) {
            value[k % count][k / count] = r.value[k / count * r.keys + first + k % count];
        }
    }
};

__device__ inline double minus_infinity() { return __longlong_as_double(0xfffll << 52); }

struct Weights {
    double peak = 0;  // of no key yet: what is scaled by it is 0
    ACC total = 0, weighted[VALUES] = {};

    // Takes up to GROUP keys at once, so that the sums are seldom scaled anew.
    __device__ inline void add(const Keys& keys, int from, int count, const double (&query)[SIZE],
                               i64 without) {
        double exponent[GROUP], top = total > 0 ? peak : minus_infinity();
#pragma unroll
        for (int g = 0; g < GROUP; ++g) {
            exponent[g] = minus_infinity();
            if (g >= count || g == without) continue;
            double sum = keys.bias[from + g];
#pragma unroll
            for (int k = 0; k < SIZE; ++k) sum += keys.key[from + g][k] * query[k];
            exponent[g] = sum;
            top = sum > top || sum != sum ? sum : top;
        }
        if (!(top > minus_infinity() || top != top)) return;
        ACC scale = total > 0 ? exp(ACC(peak - top)) : ACC(0);
        peak = top;
        total *= scale;
        for (int c = 0; c < VALUES; ++c) weighted[c] *= scale;
#pragma unroll
        for (int g = 0; g < GROUP; ++g) {
            ACC weight = exp(ACC(exponent[g] - top));
            if (g >= count || g == without) continue;
            total += weight;
#pragma unroll
            for (int c = 0; c < VALUES; ++c) weighted[c] += weight * keys.value[from + g][c];
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS) kernel_sums(const Regression r) {
    __shared__ Keys keys;
    i64 pixel = (i64)blockIdx.x * THREADS + threadIdx.x;
    double query[SIZE] = {};
    for (int k = 0; k < SIZE && pixel < r.pixels; ++k) query[k] = r.query[k * r.pixels + pixel];
    Weights weights;
    for (i64 first = 0; first < r.keys; first += TILE) {
        int count = (int)min((i64)TILE, r.keys - first);
        __syncthreads();
        keys.read(r, first, count);
        __syncthreads();
        for (int from = 0; from < count; from += GROUP) {
            i64 without = SKIP_SELF ? pixel - first - from : -1;
            weights.add(keys, from, min(GROUP, count - from), query, without);
        }
    }
    if (pixel >= r.pixels) return;
    for (int c = 0; c < VALUES; ++c) {
        r.mean[c * r.pixels + pixel] = weights.weighted[c] / weights.total;
    }
    r.log_total[pixel] = weights.peak + log((double)weights.total);
}
