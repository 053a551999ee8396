// The bins of each pixel's largest probability and whether, or how much, its class was right.

enum { OF_PRED, OF_TARGET, OF_MASK, ARRAYS };

struct TopBins {
    const PRED* pred;
    const TARGET* target;
    const unsigned char* mask;
    const ACC* edges;
    double* out;
    i64 pixels, parts, chunk, classes, pred_step, target_step, ignored;
    Axes<ARRAYS> axes;
};

extern "C" __global__ void __launch_bounds__(THREADS) top_bin_sums(const TopBins b) {
    __shared__ Bins bins;
    bins.start(b.edges);
    i64 part = blockIdx.x, first = part * b.chunk, last = min(first + b.chunk, b.pixels);
    for (i64 i = first + threadIdx.x; i < last; i += THREADS) {
        i64 at[ARRAYS] = {};
        locate(b.axes, i, at);
        if (MASKED && !b.mask[at[OF_MASK]]) continue;
        const PRED* pred = b.pred + at[OF_PRED];
        const TARGET* target = b.target + at[OF_TARGET];
        ACC most = ACC(number(pred[0]));
        i64 best = 0;
        if (b.classes == 1) {  // the foreground alone: the background is what it leaves
            best = most > 1 - most;
            most = best ? most : 1 - most;
        }
#pragma unroll 4
        for (i64 c = 1; c < b.classes; ++c) {  // the first of equal classes stays
            ACC x = ACC(number(pred[c * b.pred_step]));
            if (x > most || (x != x && most == most)) {
                most = x;
                best = c;
            }
        }
#if LABELS
        if (IGNORED && (i64)target[0] == b.ignored) continue;
        bins.add(most, (i64)target[0] == best);
#else
        ACC mass = ACC(number(target[b.classes == 1 ? 0 : best * b.target_step]));
        bins.add(most, b.classes == 1 && best == 0 ? 1 - mass : mass);
#endif
    }
    bins.finish(b.out, 0, 1, part, b.parts);
}
