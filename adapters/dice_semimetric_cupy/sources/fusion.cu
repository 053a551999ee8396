// Many raters to one label; the raters of a pixel lie `step` entries apart.
//
// LABEL, OUT  types of the raters' labels and of the result
// SHARED      each rater has a share, of the type of the result; 0: each mark counts 1
// VECTOR      entries to a load; 0: strides differ from 1

enum { OF_RATERS, OF_OUT, OF_SHARES, ARRAYS };

struct Raters {
    const LABEL* raters;
    OUT* out;
    const OUT* shares;
    i64 pixels, number, step, share_step, wanted;
    Axes<ARRAYS> axes;
};

template <class Label>
__device__ inline bool marks(const Raters& r, Label label) {
    return r.wanted < 0 ? label != 0 : (i64)label == r.wanted;
}

__device__ inline OUT share(const Raters& r, i64 k, i64 at) {
    return SHARED ? r.shares[k * r.share_step + at] : (OUT)1;
}

// The sum of the shares of the raters that marked each pixel: wanted < 0, or that gave it the
// label `wanted`. Added from the first rater on, as the core does.
extern "C" __global__ void __launch_bounds__(THREADS) marked(const Raters r) {
    constexpr int N = VECTOR > 0 ? VECTOR : 1;
    i64 step = (i64)gridDim.x * THREADS * N;
    for (i64 i = ((i64)blockIdx.x * THREADS + threadIdx.x) * N; i < r.pixels; i += step) {
        if (VECTOR > 0 && i + N <= r.pixels) {
            Pack<OUT, N> count = {};
#pragma unroll 4
            for (i64 k = 0; k < r.number; ++k) {
                Pack<LABEL, N> label = load<N>(r.raters + k * r.step + i);
                OUT own = share(r, k, 0);
                for (int n = 0; n < N; ++n) count.item[n] += marks(r, label.item[n]) ? own : (OUT)0;
            }
            *reinterpret_cast<Pack<OUT, N>*>(r.out + i) = count;
            continue;
        }
        for (i64 j = i; j < i + N && j < r.pixels; ++j) {
            i64 at[ARRAYS] = {j, j, 0};
            if (VECTOR == 0) {
                at[OF_RATERS] = at[OF_OUT] = 0;
                locate(r.axes, j, at);
            }
            OUT count = 0;
            for (i64 k = 0; k < r.number; ++k) {
                bool marked = marks(r, r.raters[k * r.step + at[OF_RATERS]]);
                count += marked ? share(r, k, at[OF_SHARES]) : (OUT)0;
            }
            r.out[at[OF_OUT]] = count;
        }
    }
}

// The label below `wanted` that most raters gave, of tied ones the lowest; 0 if there is none.
extern "C" __global__ void __launch_bounds__(THREADS) most_frequent(const Raters r) {
    i64 step = (i64)gridDim.x * THREADS;
    for (i64 i = (i64)blockIdx.x * THREADS + threadIdx.x; i < r.pixels; i += step) {
        i64 at[ARRAYS] = {};
        locate(r.axes, i, at);
        const LABEL* raters = r.raters + at[OF_RATERS];
        i64 best = 0;
        int most = 0;
        for (i64 k = 0; k < r.number; ++k) {  // the raters' labels stay in the cache
            i64 label = (i64)raters[k * r.step];
            if (label < 0 || label >= r.wanted) continue;
            int votes = 0;
            for (i64 m = 0; m < r.number; ++m) votes += (i64)raters[m * r.step] == label;
            if (votes > most || (votes == most && label < best)) {
                most = votes;
                best = label;
            }
        }
        r.out[at[OF_OUT]] = (OUT)best;
    }
}

// The entry of the table `shares` at each index: there is one rater.
extern "C" __global__ void __launch_bounds__(THREADS) look_up(const Raters r) {
    i64 step = (i64)gridDim.x * THREADS;
    for (i64 i = (i64)blockIdx.x * THREADS + threadIdx.x; i < r.pixels; i += step) {
        i64 at[ARRAYS] = {};
        locate(r.axes, i, at);
        r.out[at[OF_OUT]] = r.shares[(i64)r.raters[at[OF_RATERS]] * r.share_step];
    }
}
