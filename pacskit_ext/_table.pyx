"""The data set as a mapping: by keyword, tag and pair, over the slots of a scan. ``pacskit.Dataset`` is built on it."""

from cpython.object cimport PyObject_GenericGetAttr, PyObject_GenericSetAttr
from libc.stdint cimport int64_t, uint16_t, uint32_t

from pacskit_ext._charset cimport DEFAULT
from pacskit_ext._element cimport DataElement, Sequence, SlotTable
from pacskit_ext._element import DataElement as _DataElement, by_tag
from pacskit_ext._objects cimport track
from pacskit_ext._reader cimport Scan
from pacskit_ext._tagtable cimport tag_vr
from pacskit_ext._values cimport TAG, keyword_tag_of, tag_of
from pacskit_ext._vrcode cimport VR_SQ, VR_SS, VR_US, VR_xs


cdef int collect(SlotTable table, list out) except -1:
    """Every element at every depth, a sequence before what it holds."""
    cdef DataElement element
    for element in table.elements():
        out.append(element)
        if element.vr_ == VR_SQ:
            for item in <Sequence> element.get():
                collect(<SlotTable> item, out)
    return 0


cdef set_value(SlotTable table, uint32_t tag, object value):
    """Give an attribute of the dictionary a value, making it where it is absent."""
    cdef DataElement element = table.element(tag)
    cdef uint16_t vr
    if isinstance(value, DataElement):
        raise TypeError("assign the element's value, or use ds[tag] = element")
    if element is not None:
        element.put(value)
        table.altered = True
        return
    vr = tag_vr(tag)
    if vr == 0:
        raise KeyError(f"{TAG(tag)} is not in the dictionary; use add_new to name its VR")
    if vr == VR_xs:
        vr = VR_SS if table.sign() == 1 else VR_US if table.sign() == 0 else VR_xs
    element = table.new_element()
    element.tag_, element.vr_, element.charset = tag, vr, DEFAULT
    element.put(value)
    table.store(element)


cdef object _ABSENT = object()


cdef inline bint is_path(object key):
    """Whether a key leads into sequences: ``ReferencedSeriesSequence[0].SeriesInstanceUID``."""
    return isinstance(key, str) and "[" in <str> key


cdef class ElementIterator:
    """Elements of a data set that has only those of its source, in ascending order."""
    cdef SlotTable table
    cdef int64_t next

    def __iter__(self):
        return self

    def __next__(self):
        if self.next >= self.table.nslots:
            raise StopIteration
        self.next += 1
        return self.table.at(self.next - 1)


cdef class ElementTable(SlotTable):
    """Attributes by keyword, tag or pair of numbers; iterates over elements in ascending order of tags."""

    def __getitem__(self, key):
        cdef uint32_t tag
        cdef DataElement element
        if isinstance(key, slice):
            return self._slice(key)
        if is_path(key):
            return self.element_at(key)
        tag = tag_of(key)
        element = self.element(tag)
        if element is None:
            raise KeyError(TAG(tag))
        return element

    def _slice(self, key):
        start = tag_of(key.start) if key.start is not None else 0
        stop = tag_of(key.stop) if key.stop is not None else 1 << 32
        part = type(self)()
        for element in self.elements():
            if start <= (<DataElement> element).tag_ < stop:
                (<SlotTable> part).store(element)
        return part

    def __setitem__(self, key, DataElement element not None):
        cdef uint32_t tag = tag_of(key)
        if tag != element.tag_:
            raise ValueError(f"the element is {element.tag}, not {TAG(tag)}")
        self.store(element)

    def __delitem__(self, key):
        if isinstance(key, slice):
            for element in self[key]:
                self.remove((<DataElement> element).tag_)
        elif is_path(key):
            self.remove_at(key)
        else:
            self.remove(tag_of(key))

    def __contains__(self, key):
        cdef uint32_t tag
        cdef int64_t index
        try:
            if is_path(key):
                return self.get(key, _ABSENT) is not _ABSENT
            tag = tag_of(key)
        except ValueError:
            return False
        index = self.find(tag)
        if index >= 0:
            return not self.is_removed(index)
        return self.extra is not None and tag in self.extra

    def __len__(self):
        cdef Py_ssize_t n = self.nslots
        cdef uint32_t i
        if self.altered and self.cache != NULL:
            for i in range(self.nslots):
                if self.is_removed(i):
                    n -= 1
        return n + (len(self.extra) if self.extra is not None else 0)

    def __iter__(self):
        cdef ElementIterator iterator
        if self.altered:
            return iter(self.elements())
        iterator = ElementIterator.__new__(ElementIterator)
        iterator.table = self
        return iterator

    def __eq__(self, other):
        if not isinstance(other, ElementTable):
            return NotImplemented
        return self.elements() == (<SlotTable> other).elements()

    __hash__ = None

    def __getattribute__(self, str name):
        cdef Py_UCS4 first = name[0]
        cdef DataElement element
        if 0x41 <= first <= 0x5A:
            tag = keyword_tag_of(name)
            if tag is not None:
                element = self.element(tag)
                if element is None:
                    raise AttributeError(f"the data set has no {name}", name=name, obj=self)
                return element.get()
        return PyObject_GenericGetAttr(self, name)

    def __setattr__(self, str name, value):
        cdef Py_UCS4 first = name[0]
        if 0x41 <= first <= 0x5A:
            tag = keyword_tag_of(name)
            if tag is None:
                raise AttributeError(f"{name!r} is not the keyword of an attribute", name=name, obj=self)
            set_value(self, tag, value)
        else:
            track(self)        # what it refers to may refer to it
            PyObject_GenericSetAttr(self, name, value)

    def __delattr__(self, str name):
        cdef Py_UCS4 first = name[0]
        if 0x41 <= first <= 0x5A:
            tag = keyword_tag_of(name)
            if tag is None or tag not in self:
                raise AttributeError(f"the data set has no {name}", name=name, obj=self)
            self.remove(tag)
        else:
            object.__delattr__(self, name)

    def get(self, key, default=None):
        """The value of an attribute by keyword, or its element by tag (pydicom's rule); ``default`` if absent."""
        cdef DataElement element
        try:
            element = self.element_at(key) if is_path(key) else self.element(tag_of(key))
        except (ValueError, KeyError):
            return default
        if element is None:
            return default
        return element.get() if isinstance(key, str) else element

    def element_at(self, path):
        """The element that a path ends in; a data set that knows no paths has none."""
        raise KeyError(path)

    def remove_at(self, path):
        """Remove what a path ends in; a data set that knows no paths has nothing there."""
        raise KeyError(path)

    def add(self, DataElement element not None):
        """Put an element in, replacing the one of its tag."""
        self.store(element)

    def add_new(self, tag, vr, value):
        """Make an element and put it in."""
        self.store(_DataElement(tag, vr, value))

    def add_value(self, tag, value):
        """Set an attribute of the dictionary by tag; raises KeyError for a tag that is not in it."""
        set_value(self, tag_of(tag), value)

    def iterall(self):
        """Every element at every depth, a sequence before what it holds; in ascending order within each item."""
        cdef list out = []
        collect(self, out)
        return iter(out)

    def changed_elements(self):
        """The elements that differ from the source, or hold items that do, in ascending order."""
        cdef list out = []
        cdef DataElement element
        cdef uint32_t i
        for i in range(self.nslots):
            element = self.cached(i)
            if element is not None and element.is_changed():
                out.append(element)
        if self.extra:
            out.extend(self.extra.values())
            out.sort(key=by_tag)
        return out

    def tags(self):
        """The tags that are there, as ints in ascending order; touches no element."""
        cdef list out = [self.slots[i].tag for i in range(self.nslots) if not self.is_removed(i)]
        if self.extra:
            out.extend(self.extra)
            out.sort()
        return out

    def clear(self):
        """Remove every element."""
        for tag in self.tags():
            self.remove(tag)

    def copy(self):
        """A data set that can be changed without touching this one; the bytes of the source are shared."""
        cdef SlotTable twin = type(self).__new__(type(self))
        cdef uint32_t i
        cdef DataElement element
        if self.scan is not None:
            twin.attach(self.scan, &self.item, self.item_class)
        twin.outside = self.outside
        twin.altered = self.altered
        for i in range(self.nslots):
            element = self.cached(i)
            if self.is_removed(i):
                twin.remove(self.slots[i].tag)
            elif element is not None and element.is_changed():
                twin.store(element.twin())
        if self.extra:
            twin.extra = {tag: (<DataElement> element).twin() for tag, element in self.extra.items()}
        return twin

    @property
    def is_modified(self):
        """Whether any element differs from the source that was read."""
        return self.is_changed()


def wrap(Scan scan not None, table_class, item_class=None):
    """The data set of class ``table_class`` over ``scan``; items of its sequences of ``item_class``, or the same."""
    cdef SlotTable table = table_class.__new__(table_class)
    table.attach(scan, &scan.root, table_class if item_class is None else item_class)
    return table


def tag_from(key):
    """The tag that an int, a keyword or a pair means, as an int; raises ValueError for none."""
    return tag_of(key)
