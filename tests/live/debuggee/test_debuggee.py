from pvhdbg import guest
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.debuggee import Debuggee
from pvhdbg.live.gdb import breakpoints
from pvhdbg.target.mi.client import Stop
from tests.live.conftest import Boot


def test_a_stop_on_another_cpu_is_reported(boot: Boot) -> None:
    machine = boot(args=("-smp", "2"))
    assert machine.qemu is not None
    debuggee = Debuggee(machine, open_kernel(str(guest.ELF), machine.folder), machine.qemu.options, 30)
    debuggee.to_first_stop()
    debuggee.resume("stepi")
    step = machine.gdb.last_stop
    assert step is not None
    # The stops are made up, because on a busy computer the second CPU may never start.
    messages = {}
    for stop in (step, Stop("breakpoint-hit", "", "4", 1), Stop("breakpoint-hit", "", "4", 2), step._replace(thread=2)):
        machine.gdb.last_stop = stop
        messages[stop.reason, stop.thread] = debuggee.position().halt.message

    assert {
        ("end-stepping-range", 1): "",
        ("breakpoint-hit", 1): "breakpoint 4",
        ("breakpoint-hit", 2): "breakpoint 4 on another CPU",
        ("end-stepping-range", 2): "a step on another CPU",
    } == messages


def test_a_breakpoint_at_a_link_address_before_paging_comes_with_its_physical_address(debuggee: Debuggee) -> None:
    assert debuggee.kernel is not None
    vaddr = debuggee.kernel.symbols.address("xen_prepare_pvh")
    paddr = debuggee.kernel.facts.to_paddr(vaddr)
    debuggee.console(f"hbreak *{vaddr:#x}", lambda: None)
    before = debuggee.journey.take_news()
    debuggee.console(f"hbreak *{paddr:#x}", lambda: None)
    physical = debuggee.journey.take_news()
    debuggee.to_stage("bootparams")
    debuggee.console("hbreak start_kernel", lambda: None)

    assert [f"hbreak *{paddr:#x}`"] == [line[-len(f"hbreak *{paddr:#x}`") :] for line in before]
    assert [] == physical == debuggee.journey.take_news()


def test_gdb_finds_names_lines_and_places_for_breakpoints_while_rip_is_a_physical_address(debuggee: Debuggee) -> None:
    printed: list[str] = []
    debuggee.machine.gdb.on_text = printed.append

    def ask(line: str) -> str:
        printed.clear()
        debuggee.console(line, lambda: None)
        return "".join(printed)

    assert debuggee.image is not None
    link = debuggee.symbols.address("start_kernel") if debuggee.symbols else 0
    paddr = debuggee.image.to_paddr(link)

    assert "pvh_start_xen () at entry.S:" in ask("bt")
    assert '"entry.S" starts at address 0x1000000 <pvh_start_xen>' in ask("info line *$rip")
    ask("hbreak start_kernel")
    assert (both := breakpoints.read(debuggee.machine.gdb).addresses).keys() == {link, paddr}
    assert 1 == len(set(both.values()))
    assert [] == debuggee.journey.take_news()
    debuggee.to_stage("bootparams")
    assert "pvh_start_64 () at entry.S:" in ask("bt")
    debuggee.to_stage("kernel")
    ask("info line *$rip")
    assert {link} == breakpoints.read(debuggee.machine.gdb).addresses.keys()


def test_symbols_and_lines_are_still_there_after_a_restart(debuggee: Debuggee) -> None:
    debuggee.restart()
    code = debuggee.code_at_rip(debuggee.to_stage("entry").capture.cpu_mode)

    assert debuggee.has_symbols
    assert "entry.S:30, with its 32-bit instructions" == code.title
