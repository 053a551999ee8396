// The logarithm of the sum of exponentials of the logits of every pixel, in double.

enum { OF_PRED, OF_OUT, ARRAYS };

struct Softmax {
    const PRED* pred;
    double* out;
    i64 pixels, classes, stride;
    Axes<ARRAYS> axes;
};

extern "C" __global__ void __launch_bounds__(THREADS) softmax_scale(const Softmax s) {
    i64 step = (i64)gridDim.x * THREADS;
    for (i64 i = (i64)blockIdx.x * THREADS + threadIdx.x; i < s.pixels; i += step) {
        i64 at[ARRAYS] = {};
        locate(s.axes, i, at);
        const PRED* pred = s.pred + at[OF_PRED];
        ACC most = ACC(number(pred[0])), sum = 1;
        for (i64 c = 1; c < s.classes; ++c) {
            ACC z = ACC(number(pred[c * s.stride]));
            if (z > most) {
                sum = sum * exp(most - z) + 1;
                most = z;
            } else {
                sum += z == most ? ACC(1) : exp(z - most);  // two infinities have no difference
            }
        }
        s.out[at[OF_OUT]] = (double)most + log((double)sum);
    }
}
