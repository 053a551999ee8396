// Sums over BINS bins of confidence, which each thread takes for itself in shared memory.
//
// A thread's sums lie in banks of their own: no two threads wait for each other, and nothing
// depends on their order. The bin is looked up by the nearest of CELLS cells and then searched
// upwards among the edges: seldom more than one.

struct Bins {
    ACC edge[BINS];  // the lower edges of all bins but the first
    int before[CELLS + 1];
    unsigned int count[BINS * THREADS];
    ACC confidence[BINS * THREADS], correct[BINS * THREADS];

    __device__ static inline int cell_of(float x) {  // the low bits of a large float
        return __float_as_uint(__saturatef(x) * CELLS + 8388608.0f) & 0x7fffff;
    }
    __device__ static inline int cell_of(double x) {
        return (int)rint(fmin(fmax(x, 0.0), 1.0) * CELLS);
    }

    // Takes BINS + 1 ascending edges, the outermost of which do not matter.
    __device__ inline void start(const ACC* edges) {
        for (int k = threadIdx.x; k + 1 < BINS; k += THREADS) edge[k] = edges[k + 1];
        for (int k = 0; k < BINS; ++k) {
            int at = k * THREADS + threadIdx.x;
            count[at] = 0;
            confidence[at] = correct[at] = 0;
        }
        __syncthreads();
        for (int c = threadIdx.x; c <= CELLS; c += THREADS) {
            int lower = 0;
            while (lower + 1 < BINS && cell_of(edge[lower]) < c) ++lower;
            before[c] = lower;
        }
        __syncthreads();
    }

    __device__ inline void add(ACC x, ACC y) {
        int bin = before[cell_of(x)];
        while (bin + 1 < BINS && x >= edge[bin]) ++bin;
        int at = bin * THREADS + threadIdx.x;
        ++count[at];
        confidence[at] += x;
        correct[at] += y;
    }

    // Writes what all threads have: double (3, BINS, rows, parts).
    __device__ inline void finish(double* out, i64 row, i64 rows, i64 part, i64 parts) {
        __syncthreads();
        int lane = threadIdx.x % WARP;
        for (int k = threadIdx.x / WARP; k < 3 * BINS; k += WARPS) {
            double sum = 0;
            for (int t = lane; t < THREADS; t += WARP) {
                int at = k % BINS * THREADS + t;
                sum += k < BINS ? (double)count[at] : k < 2 * BINS ? confidence[at] : correct[at];
            }
            sum = warp_sum(sum);
            if (lane == 0) out[(k * rows + row) * parts + part] = sum;
        }
    }
};
