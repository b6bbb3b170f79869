"""Volumes read at points between their voxels, without the GIL: nearest, linear and cubic interpolation."""

from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.math cimport ceil, floor
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t
from libc.stdlib cimport free, malloc

ctypedef fused voxel_t:
    uint8_t
    int16_t
    uint16_t
    float
    double

cdef enum:
    NEAREST = 0
    LINEAR = 1
    CUBIC = 2


cdef struct Grid:
    int64_t n0, n1, n2           # slices, rows, columns of the source
    int64_t m0, m1, m2           # and of the output
    double[12] map               # continuous index of the source (column, row, slice) from that of the output
    double fill
    double low, high             # what an integer voxel holds
    int kind


cdef inline voxel_t to_voxel(double value, const Grid* g, voxel_t like) noexcept nogil:
    """A value of any size as a voxel, integers rounded half up."""
    if voxel_t is float or voxel_t is double:
        return <voxel_t> value
    else:
        value = floor(value + 0.5)
        return <voxel_t> (g.low if not value >= g.low else g.high if value > g.high else value)


cdef inline voxel_t between(double value, voxel_t like) noexcept nogil:
    """A value between those of voxels, which is rounded without a look at the range."""
    if voxel_t is float or voxel_t is double:
        return <voxel_t> value
    else:
        # What is added makes it positive, where cutting off is rounding down.
        return <voxel_t> (<int32_t> (value + 65536.5) - 65536)


cdef inline int64_t clamp(int64_t i, int64_t n) noexcept nogil:
    return 0 if i < 0 else n - 1 if i >= n else i


cdef inline double linear_at(const voxel_t* s, const Grid* g, double x, double y, double z) noexcept nogil:
    """A point near the border: neighbours outside are those on it."""
    cdef double fx = floor(x), fy = floor(y), fz = floor(z)
    cdef int64_t i0 = clamp(<int64_t> fx, g.n2), i1 = clamp(<int64_t> fx + 1, g.n2)
    cdef int64_t j0 = clamp(<int64_t> fy, g.n1), j1 = clamp(<int64_t> fy + 1, g.n1)
    cdef int64_t k0 = clamp(<int64_t> fz, g.n0), k1 = clamp(<int64_t> fz + 1, g.n0)
    cdef double a, b, c, d
    cdef const voxel_t* p = s + k0 * g.n1 * g.n2
    cdef const voxel_t* q = s + k1 * g.n1 * g.n2
    x -= fx
    y -= fy
    z -= fz
    a = p[j0 * g.n2 + i0] + (<double> p[j0 * g.n2 + i1] - <double> p[j0 * g.n2 + i0]) * x
    b = p[j1 * g.n2 + i0] + (<double> p[j1 * g.n2 + i1] - <double> p[j1 * g.n2 + i0]) * x
    c = q[j0 * g.n2 + i0] + (<double> q[j0 * g.n2 + i1] - <double> q[j0 * g.n2 + i0]) * x
    d = q[j1 * g.n2 + i0] + (<double> q[j1 * g.n2 + i1] - <double> q[j1 * g.n2 + i0]) * x
    a += (b - a) * y
    c += (d - c) * y
    return a + (c - a) * z


cdef inline double inner_at(const voxel_t* s, const Grid* g, float x, float y, float z, int64_t at) noexcept nogil:
    """A point all of whose neighbours are there; fractions within the voxel at ``at``."""
    cdef const voxel_t* p = s + at
    cdef const voxel_t* q = p + g.n1 * g.n2
    cdef float a, b, c, d
    a = p[0] + (<float> p[1] - <float> p[0]) * x
    b = p[g.n2] + (<float> p[g.n2 + 1] - <float> p[g.n2]) * x
    c = q[0] + (<float> q[1] - <float> q[0]) * x
    d = q[g.n2] + (<float> q[g.n2 + 1] - <float> q[g.n2]) * x
    a += (b - a) * y
    c += (d - c) * y
    return a + (c - a) * z


cdef inline void cubic_weights(double t, double* w) noexcept nogil:
    """Keys' kernel with a = -1/2, exact for polynomials up to the second degree."""
    w[0] = ((-0.5 * t + 1.0) * t - 0.5) * t
    w[1] = (1.5 * t - 2.5) * t * t + 1.0
    w[2] = ((-1.5 * t + 2.0) * t + 0.5) * t
    w[3] = (0.5 * t - 0.5) * t * t


cdef inline double cubic_at(const voxel_t* s, const Grid* g, double x, double y, double z) noexcept nogil:
    cdef double fx = floor(x), fy = floor(y), fz = floor(z)
    cdef double[4] wx
    cdef double[4] wy
    cdef double[4] wz
    cdef double total = 0.0, line, plane
    cdef const voxel_t* p
    cdef int i, j, k
    cubic_weights(x - fx, wx)
    cubic_weights(y - fy, wy)
    cubic_weights(z - fz, wz)
    for k in range(4):
        plane = 0.0
        for j in range(4):
            p = s + (clamp(<int64_t> fz + k - 1, g.n0) * g.n1 + clamp(<int64_t> fy + j - 1, g.n1)) * g.n2
            line = 0.0
            for i in range(4):
                line += wx[i] * p[clamp(<int64_t> fx + i - 1, g.n2)]
            plane += wy[j] * line
        total += wz[k] * plane
    return total


cdef inline void narrow(double start, double step, double low, double high, double* first, double* last) noexcept nogil:
    """Cut the steps first..last to those where start + step n lies in low..high."""
    cdef double a, b
    if step == 0.0:
        if start < low or start > high:
            last[0] = -1.0
        return
    a = (low - start) / step
    b = (high - start) / step
    if a > b:
        a, b = b, a
    if a > first[0]:
        first[0] = a
    if b < last[0]:
        last[0] = b


cdef inline void fill_row(voxel_t* o, int64_t start, int64_t stop, voxel_t value) noexcept nogil:
    cdef int64_t i
    for i in range(start, stop):
        o[i] = value


cdef inline voxel_t border_value(
    const voxel_t* s, const Grid* g, double x, double y, double z, voxel_t filled
) noexcept nogil:
    """Any point: filled outside, half a voxel around the outermost centres still inside."""
    if x < -0.5 or y < -0.5 or z < -0.5 or x >= g.n2 - 0.5 or y >= g.n1 - 0.5 or z >= g.n0 - 0.5:
        return filled
    if g.kind == NEAREST:
        return s[
            (clamp(<int64_t> floor(z + 0.5), g.n0) * g.n1 + clamp(<int64_t> floor(y + 0.5), g.n1)) * g.n2
            + clamp(<int64_t> floor(x + 0.5), g.n2)
        ]
    if g.kind == CUBIC:
        return to_voxel(cubic_at(s, g, x, y, z), g, filled)
    return to_voxel(linear_at(s, g, x, y, z), g, filled)


cdef void row_of(const voxel_t* s, voxel_t* o, const Grid* g, double x, double y, double z) noexcept nogil:
    """One output row from the continuous index of its first voxel."""
    cdef double dx = g.map[0], dy = g.map[4], dz = g.map[8]
    cdef double first = 0.0, last = <double> (g.m2 - 1)
    cdef double px, py, pz
    cdef voxel_t filled = to_voxel(g.fill, g, <voxel_t> 0)
    cdef int64_t inside = g.m2, beyond = g.m2, n, i, j, k, at
    # The stretch whose neighbours all exist: a thousandth short of the last one, far more than rounding can be.
    if g.kind != CUBIC and g.n0 > 1 and g.n1 > 1 and g.n2 > 1:
        narrow(x, dx, 0.0, g.n2 - 1.001, &first, &last)
        narrow(y, dy, 0.0, g.n1 - 1.001, &first, &last)
        narrow(z, dz, 0.0, g.n0 - 1.001, &first, &last)
        if last > first:
            inside = <int64_t> ceil(first)
            beyond = max(inside, <int64_t> floor(last) + 1)
    for n in range(inside):
        o[n] = border_value(s, g, x + n * dx, y + n * dy, z + n * dz, filled)
    for n in range(inside, beyond):
        px = x + n * dx
        py = y + n * dy
        pz = z + n * dz
        if g.kind == NEAREST:
            i = <int64_t> (px + 0.5)
            j = <int64_t> (py + 0.5)
            k = <int64_t> (pz + 0.5)
            o[n] = s[(k * g.n1 + j) * g.n2 + i]
        elif voxel_t is double:
            o[n] = linear_at(s, g, px, py, pz)
        else:
            i = <int64_t> px
            j = <int64_t> py
            k = <int64_t> pz
            at = (k * g.n1 + j) * g.n2 + i
            o[n] = between(inner_at(s, g, <float> (px - i), <float> (py - j), <float> (pz - k), at), filled)
    for n in range(beyond, g.m2):
        o[n] = border_value(s, g, x + n * dx, y + n * dy, z + n * dz, filled)


cdef void line_of(const voxel_t* s, const Grid* g, double y, double z, float* line) noexcept nogil:
    """A row of the source between four of its rows."""
    cdef int64_t j0 = clamp(<int64_t> floor(y), g.n1), j1 = clamp(<int64_t> floor(y) + 1, g.n1)
    cdef int64_t k0 = clamp(<int64_t> floor(z), g.n0), k1 = clamp(<int64_t> floor(z) + 1, g.n0)
    cdef const voxel_t* a = s + (k0 * g.n1 + j0) * g.n2
    cdef const voxel_t* b = s + (k0 * g.n1 + j1) * g.n2
    cdef const voxel_t* c = s + (k1 * g.n1 + j0) * g.n2
    cdef const voxel_t* d = s + (k1 * g.n1 + j1) * g.n2
    cdef float fy = <float> (y - floor(y)), fz = <float> (z - floor(z)), p, q
    cdef int64_t i
    for i in range(g.n2):
        p = a[i] + (<float> b[i] - <float> a[i]) * fy
        q = c[i] + (<float> d[i] - <float> c[i]) * fy
        line[i] = p + (q - p) * fz


cdef void straight_row(
    const voxel_t* s, voxel_t* o, const Grid* g, double x, double y, double z, float* line
) noexcept nogil:
    """One output row along the rows of the source: interpolated across once, then along."""
    cdef double dx = g.map[0], px, first = 0.0, last = <double> (g.m2 - 1)
    cdef voxel_t filled = to_voxel(g.fill, g, <voxel_t> 0)
    cdef int64_t n, i, inside, beyond
    cdef float f
    if y < -0.5 or z < -0.5 or y >= g.n1 - 0.5 or z >= g.n0 - 0.5:
        fill_row(o, 0, g.m2, filled)
        return
    line_of(s, g, y, z, line)
    narrow(x, dx, 0.0, g.n2 - 1.001, &first, &last)
    inside = beyond = g.m2
    if last > first:
        inside = <int64_t> ceil(first)
        beyond = max(inside, <int64_t> floor(last) + 1)
    for n in range(inside, beyond):
        px = x + n * dx
        i = <int64_t> px
        f = <float> (px - i)
        o[n] = between(line[i] + (line[i + 1] - line[i]) * f, filled)
    for n in range(g.m2):
        if inside <= n < beyond:
            continue
        px = x + n * dx
        if px < -0.5 or px >= g.n2 - 0.5:
            o[n] = filled
            continue
        i = <int64_t> floor(px)
        f = <float> (px - i)
        o[n] = between(
            line[clamp(i, g.n2)] + (line[clamp(i + 1, g.n2)] - line[clamp(i, g.n2)]) * f, filled
        )


cdef void slab_of(
    const voxel_t* s, voxel_t* o, const Grid* g, int64_t start, int64_t stop, float* line
) noexcept nogil:
    """The output slices from start to stop, a few at once so that neighbours share what the cache holds."""
    cdef int64_t k, j, first
    cdef double x, y, z
    cdef bint straight = g.kind == LINEAR and g.map[4] == 0.0 and g.map[8] == 0.0 and g.n2 > 1 and line != NULL
    for first in range(start, stop, 8):
        for j in range(g.m1):
            for k in range(first, min(first + 8, stop)):
                x = g.map[1] * j + g.map[2] * k + g.map[3]
                y = g.map[5] * j + g.map[6] * k + g.map[7]
                z = g.map[9] * j + g.map[10] * k + g.map[11]
                if straight:
                    straight_row(s, o + (k * g.m1 + j) * g.m2, g, x, y, z, line)
                else:
                    row_of(s, o + (k * g.m1 + j) * g.m2, g, x, y, z)


cdef int check(Grid* g, const Py_buffer* source, const Py_buffer* out, int64_t width, int64_t start, int64_t stop):
    """Nothing is read or written beyond the buffers; every index stays within 2**31."""
    cdef int64_t limit = 1 << 31
    if not (0 < g.n0 < limit and 0 < g.n1 < limit and 0 < g.n2 < limit):
        return -1
    if not (0 < g.m0 < limit and 0 < g.m1 < limit and 0 < g.m2 < limit):
        return -1
    if not 0 <= start <= stop <= g.m0:
        return -1
    if g.n0 * g.n1 > source.len // width // g.n2 or g.m0 * g.m1 > out.len // width // g.m2:
        return -1
    return 0


cdef int set_map(Grid* g, matrix) except -1:
    """The corners of the output must be within 2**30 of the source, which keeps every index an integer."""
    cdef int i, corner
    cdef double value
    for i in range(12):
        g.map[i] = matrix[i]
    for corner in range(8):
        for i in range(3):
            value = (
                g.map[4 * i] * (g.m2 if corner & 1 else 0) + g.map[4 * i + 1] * (g.m1 if corner & 2 else 0)
                + g.map[4 * i + 2] * (g.m0 if corner & 4 else 0) + g.map[4 * i + 3]
            )
            if not -1073741824.0 < value < 1073741824.0:
                raise ValueError("the output is too far from the source")
    return 0


def resample(source, shape, str kind, out, out_shape, matrix, double fill, int interpolation, *, start, stop):
    """Read a volume at the points of another grid and write the slices from start to stop.

    ``shape`` and ``out_shape`` are slices, rows and columns; ``kind`` is the array typecode of both; ``matrix`` has
    the 12 numbers that give the continuous index in the source (column, row, slice) of an output index.
    ``interpolation`` is 0 for nearest, 1 for linear, 2 for cubic.
    """
    cdef Grid g
    cdef Py_buffer data, to
    cdef int64_t first = start, last = stop
    cdef float* line
    if kind not in _WIDTHS or not NEAREST <= interpolation <= CUBIC:
        raise ValueError("no such kind of voxels or interpolation")
    g.n0, g.n1, g.n2 = shape
    g.m0, g.m1, g.m2 = out_shape
    g.kind = interpolation
    g.fill = fill
    g.low, g.high = _RANGES.get(kind, (0.0, 0.0))
    set_map(&g, matrix)
    PyObject_GetBuffer(source, &data, PyBUF_SIMPLE)
    try:
        PyObject_GetBuffer(out, &to, PyBUF_WRITABLE)
        try:
            if check(&g, &data, &to, _WIDTHS[kind], first, last):
                raise ValueError("the shapes are not those of the buffers")
            line = <float*> malloc(<size_t> g.n2 * sizeof(float)) if kind != "d" else NULL
            try:
                run(&g, &data, &to, ord(kind), first, last, line)
            finally:
                free(line)
        finally:
            PyBuffer_Release(&to)
    finally:
        PyBuffer_Release(&data)


cdef run(Grid* g, Py_buffer* data, Py_buffer* to, int kind, int64_t first, int64_t last, float* line):
    with nogil:
        if kind == 0x42:      # B
            slab_of(<const uint8_t*> data.buf, <uint8_t*> to.buf, g, first, last, line)
        elif kind == 0x68:    # h
            slab_of(<const int16_t*> data.buf, <int16_t*> to.buf, g, first, last, line)
        elif kind == 0x48:    # H
            slab_of(<const uint16_t*> data.buf, <uint16_t*> to.buf, g, first, last, line)
        elif kind == 0x66:    # f
            slab_of(<const float*> data.buf, <float*> to.buf, g, first, last, line)
        else:
            slab_of(<const double*> data.buf, <double*> to.buf, g, first, last, line)


cdef dict _WIDTHS = {"B": 1, "h": 2, "H": 2, "f": 4, "d": 8}
cdef dict _RANGES = {"B": (0.0, 255.0), "h": (-32768.0, 32767.0), "H": (0.0, 65535.0)}
