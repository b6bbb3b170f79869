# Python objects made without the checks of their classes, and what the collector has to know of them.
from cpython.ref cimport PyObject

cdef extern from *:
    """
    static inline void pk_untrack(PyObject* o) { PyObject_GC_UnTrack(o); }
    static inline void pk_track(PyObject* o) { if (!PyObject_GC_IsTracked(o)) PyObject_GC_Track(o); }

    static inline PyObject* pk_new_of(PyTypeObject* base, PyObject* cls, PyObject* value) {
        PyObject *made, *arguments = PyTuple_Pack(1, value);
        if (arguments == NULL) return NULL;
        made = base->tp_new((PyTypeObject*) cls, arguments, NULL);
        Py_DECREF(arguments);
        if (made != NULL && PyObject_IS_GC(made)) PyObject_GC_UnTrack(made);
        return made;
    }
    #define pk_new_int(cls, value) pk_new_of(&PyLong_Type, cls, value)
    #define pk_new_str(cls, value) pk_new_of(&PyUnicode_Type, cls, value)
    #define pk_new(cls, none) (((PyTypeObject*) (cls))->tp_new((PyTypeObject*) (cls), (none), NULL))
    #define pk_has_dict(cls) (((PyTypeObject*) (cls))->tp_dictoffset != 0)

    /* A class that adds one object to float. */
    typedef struct { PyFloatObject number; PyObject* other; } pk_float_and;

    static inline PyObject* pk_new_float_and(PyObject* cls, double number, PyObject* other) {
        PyObject* made = ((PyTypeObject*) cls)->tp_alloc((PyTypeObject*) cls, 0);
        if (made == NULL) return NULL;
        ((pk_float_and*) made)->number.ob_fval = number;
        Py_INCREF(other);
        ((pk_float_and*) made)->other = other;
        return made;
    }
    """
    # An object that refers to nothing that could refer to it need not be looked at; what is put into it may.
    void untrack "pk_untrack"(object o)
    void track "pk_track"(object o)
    bint has_dict "pk_has_dict"(object cls)
    object new_object "pk_new"(object cls, tuple nothing)
    object new_int "pk_new_int"(object cls, object value)          # of a subclass of int that adds nothing
    object new_text "pk_new_str"(object cls, object value)         # of a subclass of str that adds nothing
    object new_float_and "pk_new_float_and"(object cls, double number, object other)
    int FLOAT_AND_SIZE "sizeof(pk_float_and)"
