"""The explanations of guests, and of the stages in each guest."""

from pvhdbg.views.explain import explain_text


def test_a_guest_is_explained_with_its_stages_and_whether_a_real_one_was_tried() -> None:
    freebsd, grub, linux = (explain_text.answer(name) for name in ("freebsd", "grub", "linux"))

    assert "FreeBSD: from its source code; not tested with a real guest" in freebsd
    assert "the first instruction of hammer_time_xen, with the address of start_info in RDI" in " ".join(
        freebsd.split()
    )
    assert "the return from hammer_time_xen" in freebsd
    assert "GRUB: tested with a real guest: the entry of Debian's grub-xen-host" in grub
    assert "not tried" not in grub + linux


def test_a_stage_names_its_function_in_each_guest() -> None:
    words = " ".join(explain_text.answer("bootparams").split())

    assert "FreeBSD return from hammer_time_xen, NetBSD return from init_x86_64" in words
    assert "Nanos" not in words
    assert "In other guests" not in explain_text.answer("e820")
