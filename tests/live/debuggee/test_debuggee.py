from pvhdbg import guest
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.debuggee import Debuggee
from pvhdbg.target.mi import Stop
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


def test_a_breakpoint_at_a_link_address_before_paging_comes_with_its_physical_address(boot: Boot) -> None:
    machine = boot()
    assert machine.qemu is not None
    kernel = open_kernel(str(guest.ELF), machine.folder)
    machine.target.symbols = kernel.symbols
    debuggee = Debuggee(machine, kernel, machine.qemu.options, 30)
    debuggee.to_stage("entry")
    debuggee.load_symbols()
    prepare = kernel.symbols.address("xen_prepare_pvh")
    debuggee.console("hbreak xen_prepare_pvh", lambda: None)
    before = debuggee.journey.take_news()
    debuggee.console(f"hbreak *{kernel.facts.to_paddr(prepare):#x}", lambda: None)
    physical = debuggee.journey.take_news()
    debuggee.to_stage("bootparams")
    debuggee.console("hbreak start_kernel", lambda: None)

    assert [f"hbreak *{kernel.facts.to_paddr(prepare):#x}`"] == [line[-len("hbreak *0x1000581`") :] for line in before]
    assert [] == physical == debuggee.journey.take_news()
