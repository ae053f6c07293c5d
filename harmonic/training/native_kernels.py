"""Numba kernels that train one multilayer perceptron: forward, backward, update.

The mathematics
===============
B points are columns of x (2, B); a layer l of width n_l has weights W_l (n_l, n_{l-1}) and biases b_l (n_l,):

    forward     A_0 = x,   Z_l = W_l A_{l-1} + b_l,   A_l = f(Z_l)     (n_l, B)   [_forward, _combine, _activate]
                o = w A_L + c                                         (B,)       [_forward, _add]
    loss        r = o - y,   loss = sum r^2,   g = dloss/do = 2 r     (B,)       [_residual]
    backward    dw = A_L g,   dc = sum g,   D_L = (w^T g) * f'(Z_L)   (n_L, B)   [_backward, _lift, _sum]
                dW_l = D_l A_{l-1}^T,   db_l = D_l summed over points            [_backward, _first_gradient, _sum]
                D_{l-1} = (W_l^T D_l) * f'(Z_{l-1})                              [_backward, _chain, _slope]
    update      SGD, Adam, AdamW as in torch.optim                               [_sgd, _adam]

How it is fast
==============
Arrays lie (hidden, points), so that every inner loop runs over points and vectorises. Points are taken in
blocks that stay in the cache from forward to backward; their gradients add up. The products of hidden layers
with hidden layers go to BLAS. Nothing is allocated inside a step. `fastmath` allows reordering and contraction
but assumes neither finite numbers nor the absence of NaN, so that both are seen where they arise.

Parameters, gradients and moments are flat vectors: the layers' weights (row by row) and biases in the order of
torch's state dict. `shape` holds (n_0 = 2, n_1, ..., n_L, 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

SIGMOID, TANH, RELU, SIN, SNAKE = range(5)
SGD, ADAM, ADAMW = range(3)
BLOCK = 1000  # points: a block of the post's size is one BLAS call a product

ZERO, HALF, ONE, TWO = (np.float32(v) for v in (0, 0.5, 1, 2))

_jit: Callable[..., Any] = njit(
    fastmath={"reassoc", "contract", "arcp", "nsz", "afn"}, error_model="numpy", nogil=True, cache=True
)


# Activations -----------------------------------------------------------------------------------------

# sigmoid(z) - 1/2 = z P(z^2) / Q(z^2) for |z| <= 16: a minimax fit (Lawson's algorithm) to 6.5e-8; to
# 1.8e-7 with the coefficients in single precision.
_REACH = np.float32(16)
_P0, _P1, _P2, _P3 = (np.float32(v) for v in (0.24999984056, 8.0710276022e-03, 4.5919227159e-05, 4.4180658749e-08))
_Q1, _Q2, _Q3, _Q4 = (np.float32(v) for v in (0.11561685738, 1.4852399613e-03, 3.7035755770e-06, 9.4681568082e-10))

_S3, _S5, _S7, _S9, _S11 = (np.float32((-1) ** (k // 2) / math.factorial(k)) for k in (3, 5, 7, 9, 11))
_C2, _C4, _C6, _C8, _C10, _C12 = (np.float32((-1) ** (k // 2) / math.factorial(k)) for k in (2, 4, 6, 8, 10, 12))


@_jit
def _half_sigmoid(z):  # type: ignore[no-untyped-def]
    """sigmoid(z) - 1/2. The comparisons are so written that NaN passes."""
    z = _REACH if z > _REACH else z
    z = -_REACH if z < -_REACH else z
    s = z * z
    p = (_P0 + _P1 * s) + (s * s) * (_P2 + _P3 * s)
    q = (ONE + _Q1 * s) + (s * s) * ((_Q2 + _Q3 * s) + (s * s) * _Q4)
    return z * p / q


@_jit
def _sin_cos(z):  # type: ignore[no-untyped-def]
    """sin and cos: z is brought to [-pi/2, pi/2] in double precision, where Taylor's series is exact to 6e-8."""
    turns = math.floor(np.float64(z) * (1 / math.pi) + 0.5)
    r = np.float32(np.float64(z) - turns * math.pi)
    sign = np.float32(1 - 2 * (turns - 2 * math.floor(turns * 0.5)))
    s = r * r
    sine = r + r * s * (_S3 + s * (_S5 + s * (_S7 + s * (_S9 + s * _S11))))
    cosine = ONE + s * (_C2 + s * (_C4 + s * (_C6 + s * (_C8 + s * (_C10 + s * _C12)))))
    return sign * sine, sign * cosine


@_jit
def _activate(code, z, slope):  # type: ignore[no-untyped-def]
    """z (B,) becomes f(z); slope (B,) becomes f'(z) where `_slope` cannot have it from f(z)."""
    if code == SIGMOID:
        for i in range(z.size):
            z[i] = HALF + _half_sigmoid(z[i])
    elif code == TANH:
        for i in range(z.size):
            z[i] = TWO * _half_sigmoid(TWO * z[i])
    elif code == RELU:
        for i in range(z.size):
            z[i] = ZERO if z[i] < ZERO else z[i]
    elif code == SIN:
        for i in range(z.size):
            z[i], slope[i] = _sin_cos(z[i])
    else:
        for i in range(z.size):
            sine, cosine = _sin_cos(z[i])
            z[i] += sine * sine
            slope[i] = ONE + TWO * sine * cosine


@_jit
def _slope(code, a, kept):  # type: ignore[no-untyped-def]
    """f'(z) at one point, from a = f(z), or as `_activate` kept it."""
    if code == SIGMOID:
        return a - a * a
    if code == TANH:
        return ONE - a * a
    if code == RELU:
        return ONE if a > ZERO else ZERO
    return kept


# Rows of points --------------------------------------------------------------------------------------


@_jit
def _combine(w0, x0, w1, x1, b, z):  # type: ignore[no-untyped-def]
    for i in range(z.size):
        z[i] = w0 * x0[i] + w1 * x1[i] + b


@_jit
def _shift(z, b):  # type: ignore[no-untyped-def]
    for i in range(z.size):
        z[i] += b


@_jit
def _add(w, a, out):  # type: ignore[no-untyped-def]
    for i in range(out.size):
        out[i] += w * a[i]


@_jit
def _chain(code, a, slope, d):  # type: ignore[no-untyped-def]
    """d, the loss's derivative by a = f(z), becomes that by z."""
    for i in range(d.size):
        d[i] *= _slope(code, a[i], slope[i])


@_jit
def _lift(code, w, g, a, slope, d):  # type: ignore[no-untyped-def]
    """d = w g f'(z), and the sum of g a."""
    s = ZERO
    for i in range(d.size):
        s += g[i] * a[i]
        d[i] = w * g[i] * _slope(code, a[i], slope[i])
    return s


@_jit
def _lift_to_first(code, w, x0, x1, g, a, slope, weights, bias):  # type: ignore[no-untyped-def]
    """`_lift` and `_first_gradient` in one, where there is no hidden layer between."""
    s = s0 = s1 = s2 = ZERO
    for i in range(g.size):
        s += g[i] * a[i]
        d = g[i] * _slope(code, a[i], slope[i])
        s0 += d * x0[i]
        s1 += d * x1[i]
        s2 += d
    weights[0] += w * s0
    weights[1] += w * s1
    bias[0] += w * s2
    return s


@_jit
def _first_gradient(x0, x1, d, weights, bias):  # type: ignore[no-untyped-def]
    """Add one unit's dW (2,) and db (1,) of the first layer, from its d (B,)."""
    s0 = s1 = s2 = ZERO
    for i in range(d.size):
        s0 += d[i] * x0[i]
        s1 += d[i] * x1[i]
        s2 += d[i]
    weights[0] += s0
    weights[1] += s1
    bias[0] += s2


@_jit
def _sum(d):  # type: ignore[no-untyped-def]
    s = ZERO
    for i in range(d.size):
        s += d[i]
    return s


# One block of points ---------------------------------------------------------------------------------


@_jit
def _forward(x0, x1, shape, code, theta, a, slope, out):  # type: ignore[no-untyped-def]
    """out (B,) = the network at points x0, x1 (B,); a and slope hold the hidden layers, one after the other."""
    count, depth = out.size, shape.size - 2
    at, layer = 0, 0  # where this layer's parameters begin in theta, and its values in a
    before = a[:0].reshape(0, 0)
    output = theta[theta.size - shape[depth] - 1 :]  # w and c
    out[:] = output[shape[depth]]
    for level in range(1, depth + 1):
        fan_in, width = shape[level - 1], shape[level]
        bias = theta[at + width * fan_in : at + width * fan_in + width]
        values = a[layer * count : (layer + width) * count].reshape(width, count)
        slopes = slope[layer * count : (layer + width) * count].reshape(width, count)
        if level > 1:
            np.dot(theta[at : at + width * fan_in].reshape(width, fan_in), before, values)
        for j in range(width):  # row by row, while it is in the nearest cache
            if level == 1:
                _combine(theta[at + 2 * j], x0, theta[at + 2 * j + 1], x1, bias[j], values[j])
            else:
                _shift(values[j], bias[j])
            _activate(code, values[j], slopes[j])
            if level == depth:
                _add(output[j], values[j], out)
        before = values
        at += width * fan_in + width
        layer += width


@_jit
def _residual(out, y):  # type: ignore[no-untyped-def]
    """The loss of a block; out (B,) becomes g, the loss's derivative by the network's value."""
    loss = ZERO
    for i in range(out.size):
        r = out[i] - y[i]
        loss += r * r
        out[i] = TWO * r
    return loss


@_jit
def _backward(x0, x1, shape, code, theta, a, slope, g, d, product, gradient):  # type: ignore[no-untyped-def]
    """Add a block's gradient. d has the layout of a; product has room for the largest W."""
    count, depth = g.size, shape.size - 2
    at, layer = gradient.size - shape[depth] - 1, 0
    for level in range(1, depth):
        layer += shape[level]
    width = shape[depth]
    fan_in = shape[depth - 1]
    below = at - width * fan_in - width  # where the parameters of layer L begin
    for j in range(width):  # the output layer, and D_L
        begin, end = (layer + j) * count, (layer + j + 1) * count
        w, value, slopes = theta[at + j], a[begin:end], slope[begin:end]
        if depth == 1:
            weights, bias = gradient[below + 2 * j : below + 2 * j + 2], gradient[below + 2 * width + j :]
            gradient[at + j] += _lift_to_first(code, w, x0, x1, g, value, slopes, weights, bias)
        else:
            gradient[at + j] += _lift(code, w, g, value, slopes, d[begin:end])
    gradient[at + width] += _sum(g)
    if depth == 1:
        return
    for level in range(depth, 0, -1):
        fan_in, width = shape[level - 1], shape[level]
        at -= width * fan_in + width
        begin, end = layer * count, (layer + width) * count
        toward = d[begin:end].reshape(width, count)
        values, kept = a[begin:end].reshape(width, count), slope[begin:end].reshape(width, count)
        biases = gradient[at + width * fan_in : at + width * fan_in + width]
        for j in range(width):
            if level < depth:
                _chain(code, values[j], kept[j], toward[j])
            if level == 1:
                _first_gradient(x0, x1, toward[j], gradient[at + 2 * j : at + 2 * j + 2], biases[j : j + 1])
            else:
                biases[j] += _sum(toward[j])
        if level > 1:
            layer -= fan_in
            feeding = a[layer * count : begin].reshape(fan_in, count)
            outer = product[: width * fan_in].reshape(width, fan_in)
            np.dot(toward, feeding.T, outer)
            for i in range(width * fan_in):
                gradient[at + i] += product[i]
            forth = theta[at : at + width * fan_in].reshape(width, fan_in)
            np.dot(forth.T, toward, d[layer * count : begin].reshape(fan_in, count))


# Updates ---------------------------------------------------------------------------------------------


@_jit
def _sgd(theta, gradient, buffer, hyper, step):  # type: ignore[no-untyped-def]
    """hyper: lr, weight decay, momentum, dampening, nesterov (0 or 1). buffer: unused without momentum."""
    lr, decay, momentum = np.float32(hyper[0]), np.float32(hyper[1]), np.float32(hyper[2])
    fresh = ONE if step == 0 else np.float32(1 - hyper[3])
    for i in range(theta.size):
        d = gradient[i] + decay * theta[i]
        if momentum != ZERO:
            buffer[i] = fresh * d if step == 0 else momentum * buffer[i] + fresh * d
            d = d + momentum * buffer[i] if hyper[4] else buffer[i]
        theta[i] -= lr * d


@_jit
def _adam(theta, gradient, first, second, hyper, step, decoupled):  # type: ignore[no-untyped-def]
    """hyper: lr, weight decay, beta1, beta2, eps. decoupled: AdamW's decay."""
    lr, decay, beta1, beta2 = hyper[0], hyper[1], hyper[2], hyper[3]
    size = np.float32(lr / (1 - beta1 ** (step + 1)))
    scale, eps = np.float32(1 / math.sqrt(1 - beta2 ** (step + 1))), np.float32(hyper[4])
    one, two, rest = np.float32(1 - beta1), np.float32(1 - beta2), np.float32(beta2)
    coupled = ZERO if decoupled else np.float32(decay)
    keep = np.float32(1 - lr * decay) if decoupled else ONE
    for i in range(theta.size):
        p = keep * theta[i]
        g = gradient[i] + coupled * p
        first[i] += one * (g - first[i])
        second[i] = rest * second[i] + two * (g * g)
        theta[i] = p - size * first[i] / (math.sqrt(second[i]) * scale + eps)


# The whole -------------------------------------------------------------------------------------------


@_jit
def advance(x, y, shape, code, rule, hyper, theta, first, second, step, losses):  # type: ignore[no-untyped-def]
    """Make `losses.size` updates in place, from `step` on, and note the loss before each.

    Args:
        x: (2, points) float32. y: (points,) float32. shape: (depth + 2,) int64.
        code: one of SIGMOID ... SNAKE. rule: one of SGD, ADAM, ADAMW, with its `hyper` (5,) float64.
        theta, first, second: parameters and moments, (parameters,) float32.
        losses: (steps,) float64.

    Returns:
        The number of updates made: fewer than asked where a loss is not finite.
    """
    points, hidden = y.size, shape[1:-1].sum()
    block = min(BLOCK, points)
    room = hidden * block
    a, slope, d = np.empty(room, np.float32), np.empty(room, np.float32), np.empty(room, np.float32)
    out, gradient = np.empty(block, np.float32), np.empty(theta.size, np.float32)
    product = np.empty(shape.max() ** 2, np.float32)
    for t in range(losses.size):
        gradient[:] = ZERO
        loss = 0.0
        for begin in range(0, points, block):
            end = min(begin + block, points)
            g, x0, x1 = out[: end - begin], x[0, begin:end], x[1, begin:end]
            _forward(x0, x1, shape, code, theta, a, slope, g)
            loss += _residual(g, y[begin:end])
            _backward(x0, x1, shape, code, theta, a, slope, g, d, product, gradient)
        losses[t] = np.float32(loss)
        if not math.isfinite(losses[t]):
            return t
        if rule == SGD:
            _sgd(theta, gradient, first, hyper, step + t)
        else:
            _adam(theta, gradient, first, second, hyper, step + t, rule == ADAMW)
    return losses.size


@_jit
def predict(x, shape, code, theta, out):  # type: ignore[no-untyped-def]
    """out (points,) = the network at x (2, points)."""
    points, hidden = out.size, shape[1:-1].sum()
    block = min(BLOCK, points)
    a, slope = np.empty(hidden * block, np.float32), np.empty(hidden * block, np.float32)
    for begin in range(0, points, block):
        end = min(begin + block, points)
        _forward(x[0, begin:end], x[1, begin:end], shape, code, theta, a, slope, out[begin:end])


@_jit
def gradient_of(x, y, shape, code, theta, gradient):  # type: ignore[no-untyped-def]
    """The loss at (x, y), and its gradient by theta into `gradient`. Any one floating type."""
    room = shape[1:-1].sum() * y.size
    a, slope, d = np.empty(room, theta.dtype), np.empty(room, theta.dtype), np.empty(room, theta.dtype)
    g, product = np.empty(y.size, theta.dtype), np.empty(shape.max() ** 2, theta.dtype)
    gradient[:] = ZERO
    _forward(x[0], x[1], shape, code, theta, a, slope, g)
    loss = _residual(g, y)
    _backward(x[0], x[1], shape, code, theta, a, slope, g, d, product, gradient)
    return loss
