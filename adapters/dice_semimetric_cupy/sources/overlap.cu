// The four sums of Overlap: x, y, |x - y| and x y. `out` is double (4, rows, parts).

// A few terms are added up in the type of the data, then these sums in double.
struct OverlapSums {
    ACC few[4] = {};
    double all[4] = {};

    __device__ inline void add(ACC x, ACC y) {
        few[0] += x;
        few[1] += y;
        few[2] += fabs(x - y);
        few[3] += x * y;
    }

    __device__ inline void flush() {
        for (int k = 0; k < 4; ++k) {
            all[k] += few[k];
            few[k] = 0;
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS) overlap_sums(const Pairs p) {
    i64 row = blockIdx.x % p.rows, part = blockIdx.x / p.rows;
    OverlapSums sums;
    visit_part(p, part, row_of(p, row), sums);
    block_sum(sums.all);
    if (threadIdx.x == 0) {
        double* out = static_cast<double*>(p.out);
        for (int k = 0; k < 4; ++k) out[(k * p.rows + row) * p.parts + part] = sums.all[k];
    }
}
