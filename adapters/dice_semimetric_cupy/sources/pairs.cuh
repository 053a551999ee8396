// Pairs of a prediction x and a target y, visited by the threads of a block.
//
// The pairs are a matrix: a row holds those that are summed together. A block visits one part of
// one row. Rows lie next to one another in the order of blocks, so that what several of them share
// (the labels of all classes, a mask) is read from memory once and from the cache then.
//
// PRED, TARGET  types of the arrays          ACC     type that is computed in
// MASKED        whether there is a mask      LABELS  whether the target holds integer labels
// IGNORED       whether a label is ignored   VECTOR  entries to a load; 0: strides differ from 1
// ACTIVATION    of the prediction, one of these:
#define IDENTITY 0
#define SIGMOID 1
#define SOFTMAX 2

enum { OF_PRED, OF_TARGET, OF_MASK, OF_SCALE, ARRAYS };

struct Pairs {
    const PRED* pred;
    const TARGET* target;
    const unsigned char* mask;
    const double* scale;  // of a softmax: the logarithm of the sum of exponentials, to a pixel
    void* out;
    i64 rows, columns, parts, chunk;
    i64 classes, ignored;
    Axes<ARRAYS> kept, summed;
};

__device__ inline ACC activated(ACC z, double scale) {
#if ACTIVATION == SIGMOID
    ACC weight = exp(-fabs(z));
    return (z >= 0 ? ACC(1) : weight) / (1 + weight);
#elif ACTIVATION == SOFTMAX
    return exp(ACC(z - scale));
#else
    return z;
#endif
}

struct Row {
    const PRED* pred;
    const TARGET* target;
    const unsigned char* mask;
    const double* scale;
    i64 label;  // that stands for the class of this row
};

__device__ inline Row row_of(const Pairs& p, i64 row) {
    i64 at[ARRAYS] = {};
    locate(p.kept, row, at);
    i64 label = 0;
    if (LABELS) label = p.classes == 1 ? 1 : row % p.classes;  // one class alone is the foreground
    return {p.pred + at[OF_PRED], p.target + at[OF_TARGET], p.mask + (MASKED ? at[OF_MASK] : 0),
            p.scale + (ACTIVATION == SOFTMAX ? at[OF_SCALE] : 0), label};
}

template <class Visitor>
__device__ inline void visit(const Pairs& p, const Row& row, PRED pred, TARGET target, bool counts,
                             double scale, Visitor& visitor) {
    ACC x = activated(ACC(number(pred)), scale);
#if LABELS
    ACC y = (i64)target == row.label;
#else
    ACC y = ACC(number(target));
#endif
#if IGNORED
    if ((i64)target == p.ignored) counts = false;
#endif
    if (!MASKED && !IGNORED) {
        visitor.add(x, y);
    } else if (counts) {
        visitor.add(x, y);
    }
}

// Visits one pair, wherever it lies.
template <class Visitor>
__device__ inline void visit_at(const Pairs& p, const Row& row, i64 column, Visitor& visitor) {
    i64 at[ARRAYS] = {column, column, column, column};
    if (VECTOR == 0) {
        for (int k = 0; k < ARRAYS; ++k) at[k] = 0;
        locate(p.summed, column, at);
    }
    visit(p, row, row.pred[at[OF_PRED]], row.target[at[OF_TARGET]],
          MASKED ? row.mask[at[OF_MASK]] != 0 : true,
          ACTIVATION == SOFTMAX ? row.scale[at[OF_SCALE]] : 0, visitor);
}

// Visits all pairs of the block's part of its row; `visitor.flush()` follows every few of them.
template <class Visitor>
__device__ inline void visit_part(const Pairs& p, i64 part, const Row& row, Visitor& visitor) {
    constexpr int N = VECTOR > 0 ? VECTOR : 1, UNROLL = 4;
    constexpr i64 STEP = (i64)THREADS * N;
    i64 start = part * p.chunk, stop = min(start + p.chunk, p.columns);
    i64 i = start + (i64)threadIdx.x * N;
    if (VECTOR > 0 && ACTIVATION != SOFTMAX) {
        for (; i + (UNROLL - 1) * STEP + N <= stop; i += UNROLL * STEP) {
            Pack<PRED, N> pred[UNROLL];
            Pack<TARGET, N> target[UNROLL];
            Pack<unsigned char, N> mask[UNROLL];
#pragma unroll
            for (int u = 0; u < UNROLL; ++u) {  // all loads first: they wait together
                pred[u] = load<N>(row.pred + i + u * STEP);
                target[u] = load<N>(row.target + i + u * STEP);
                if (MASKED) mask[u] = load<N>(row.mask + i + u * STEP);
            }
#pragma unroll
            for (int u = 0; u < UNROLL; ++u) {
#pragma unroll
                for (int k = 0; k < N; ++k) {
                    bool counts = MASKED ? mask[u].item[k] != 0 : true;
                    visit(p, row, pred[u].item[k], target[u].item[k], counts, 0, visitor);
                }
            }
            visitor.flush();
        }
    }
    for (; i < stop; i += STEP) {
        for (int k = 0; k < N && i + k < stop; ++k) visit_at(p, row, i + k, visitor);
        visitor.flush();
    }
}
