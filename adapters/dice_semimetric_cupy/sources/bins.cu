// The bins of pairs of a confidence and what was right; each row of pairs has bins of its own.

struct PairBins {
    Pairs pairs;
    const ACC* edges;
    i64 step;  // from one row's edges to the next one's
};

struct PairBinVisitor {
    Bins& bins;

    __device__ inline void add(ACC x, ACC y) { bins.add(x, HARD ? ACC(y == 1) : y); }
    __device__ inline void flush() {}
};

extern "C" __global__ void __launch_bounds__(THREADS) bin_sums(const PairBins b) {
    __shared__ Bins bins;
    const Pairs& p = b.pairs;
    i64 row = blockIdx.x % p.rows, part = blockIdx.x / p.rows;
    bins.start(b.edges + row * b.step);
    PairBinVisitor visitor = {bins};
    visit_part(p, part, row_of(p, row), visitor);
    bins.finish(static_cast<double*>(p.out), row, p.rows, part, p.parts);
}
