from pvhdbg import guest
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.debuggee import Debuggee
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
    paddr = debuggee.kernel.facts.to_paddr(debuggee.kernel.symbols.address("xen_prepare_pvh"))
    debuggee.console("hbreak xen_prepare_pvh", lambda: None)
    before = debuggee.journey.take_news()
    debuggee.console(f"hbreak *{paddr:#x}", lambda: None)
    physical = debuggee.journey.take_news()
    debuggee.to_stage("bootparams")
    debuggee.console("hbreak start_kernel", lambda: None)

    assert [f"hbreak *{paddr:#x}`"] == [line[-len(f"hbreak *{paddr:#x}`") :] for line in before]
    assert [] == physical == debuggee.journey.take_news()
