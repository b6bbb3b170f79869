"""Presentation contexts for what is to be sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pacskit.encoding import UNCOMPRESSED
from pacskit.services.outgoing import MAX_CONTEXTS, batches
from pacskit.services.sop_classes import STORAGE, STORAGE_SYNTAXES

IMPLICIT = "1.2.840.10008.1.2"
kinds = st.tuples(st.sampled_from(STORAGE).map(str), st.sampled_from(STORAGE_SYNTAXES).map(str))


@given(st.lists(kinds, max_size=300))
def test_everything_is_sent_once_in_a_context_of_its_own(items: list[tuple[str, str]]) -> None:
    numbered = list(enumerate(items))
    made = batches(numbered, lambda item: item[1])
    assert sorted(item for batch in made for item in batch.items) == numbered
    for batch in made:
        assert len(batch.contexts) <= MAX_CONTEXTS
        offered = {(one.abstract_syntax, one.transfer_syntaxes) for one in batch.contexts}
        assert len(offered) == len(batch.contexts)
        assert [item[0] for item in batch.items] == sorted(item[0] for item in batch.items)
        for _, (sop_class, syntax) in batch.items:
            assert (sop_class, (syntax,)) in offered
            if syntax in UNCOMPRESSED:
                assert any(uid == sop_class and IMPLICIT in syntaxes for uid, syntaxes in offered)


def test_every_kind_there_is_takes_several_associations() -> None:
    items = [(str(uid), str(syntax)) for uid in STORAGE for syntax in STORAGE_SYNTAXES]
    made = batches(items, lambda item: item)
    assert sum(len(batch.items) for batch in made) == len(items)
    assert all(len(batch.contexts) <= MAX_CONTEXTS for batch in made)
