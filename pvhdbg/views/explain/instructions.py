"""The instructions that boot code uses: what each does, in a phrase and in sentences.

Sources: Intel SDM volume 2 (instruction reference) and volume 3, chapters 2 to 4; AMD APM volume 3. The names are those
of AT&T syntax, as GNU as, gdb and capstone use it: the target is the last operand.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.explain.topic import INSTRUCTIONS, Explanation, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

_SYSTEM, _GENERAL = "Intel SDM volume 2; AMD APM volume 3, system instructions", "Intel SDM volume 2; AMD APM volume 3"


class Known(NamedTuple):
    """`names` are mnemonics without a size suffix, separated by blanks, or a mnemonic and its special register.

    `brief` is a phrase for the row of an instruction. If `is_usual`, it is left out there, because it is well known.
    """

    names: str
    brief: str
    details: str = ""
    is_usual: bool = False


# fmt: off
KNOWN = (
    Known("cld", "let string instructions go to higher addresses",
          "Clears the flag DF, so that movs, stos and lods go to higher addresses. The ABI does not say how DF "
          "is at the entry, and compiled code needs it clear."),
    Known("std", "let string instructions go to lower addresses", "Sets the flag DF."),
    Known("cli", "disable interrupts", "Clears the flag IF. NMIs and faults still come."),
    Known("sti", "enable interrupts, after the next instruction", "Sets the flag IF. It needs an IDT, and handlers."),
    Known("hlt", "wait for an interrupt", "Without an interrupt that the CPU takes, it waits without end."),
    Known("lgdt", "load the register GDTR: where the table of segments is",
          "Reads a 2-byte limit and the base address of the GDT from memory. Segment registers keep what they "
          "have cached until they are loaded again, so code loads CS with a far jump, and DS, ES and SS with "
          "mov, right after it."),
    Known("lidt", "load the register IDTR: where the interrupt handlers are",
          "Reads a 2-byte limit and the base address of the IDT from memory. Until there is one, every fault is "
          "a triple fault."),
    Known("lldt", "load the local descriptor table",
          "Reads a descriptor from the GDT. Boot code loads 0: there is none."),
    Known("ltr", "load the task register TR",
          "Reads the TSS descriptor from the GDT and marks it busy. The CPU finds the kernel's stacks in the "
          "TSS."),
    Known("sgdt", "store the register GDTR in memory", "Its limit (2 bytes) and base address."),
    Known("sidt", "store the register IDTR in memory", "Its limit (2 bytes) and base address."),
    Known("lmsw", "load the low four bits of CR0", "From a time before CR0. It can set CR0.PE, but not clear it."),
    Known("clts", "clear CR0.TS", "FPU instructions cause no fault from here on."),
    Known("mov cr0", "read or write CR0: protection, paging, caches",
          "A write can turn protected mode (PE) and paging (PG) on. The next instruction is fetched through the "
          "new page tables, so code that sets PG runs at an address that they map to itself. With EFER.LME set, "
          "setting PG also enters long mode."),
    Known("mov cr2", "read or write CR2: the address of the last page fault", "The CPU sets it at a page fault."),
    Known("mov cr3", "read or write CR3: which page tables are used",
          "A write selects the top-level page table by its physical address, and drops the cached translations, "
          "except those of global pages."),
    Known("mov cr4", "read or write CR4: extensions of the CPU",
          "A write turns extensions on: PAE, which long mode needs, PSE, PGE, LA57 and others. LA57 can change "
          "only while paging is off."),
    Known("mov cr8", "read or write CR8: the task priority", "Interrupts of this or a lower priority wait."),
    Known("mov ds", "load the data segment DS",
          "Reads base, limit and rights from the descriptor in the GDT. A selector of a descriptor that is not "
          "a data segment is a fault."),
    Known("mov es", "load the segment ES",
          "String instructions write through it. Reads the descriptor from the GDT."),
    Known("mov ss", "load the stack segment SS",
          "Reads the descriptor from the GDT. Interrupts wait for the end of the next instruction, which "
          "usually sets ESP."),
    Known("mov fs", "load the segment FS", "In 64-bit code, its base comes from an MSR and this loads 0 there."),
    Known("mov gs", "load the segment GS",
          "In 64-bit code, its base comes from an MSR; Linux finds per-CPU data with it."),
    Known("rdmsr", "read the MSR that ECX names into EDX:EAX",
          "An MSR is a register of this CPU model or of the architecture, such as EFER (0xc0000080). An unknown "
          "number is a fault."),
    Known("wrmsr", "write EDX:EAX to the MSR that ECX names",
          "Boot code writes EFER (0xc0000080) to set LME, which makes CR0.PG enter long mode, and GS_BASE "
          "(0xc0000101), with which Linux finds per-CPU data. An unknown number, or a reserved bit, is a fault."),
    Known("cpuid", "ask the CPU what it is",
          "EAX, and for some leaves ECX, select the leaf; the answer replaces EAX, EBX, ECX and EDX. A "
          "hypervisor's signature is in leaf 0x40000000 or up to 0x100 leaves above it: Linux searches there "
          "for Xen's."),
    Known("rdtsc rdtscp", "read the time-stamp counter into EDX:EAX", "A counter that goes up since the reset."),
    Known("ljmp", "far jump: loads CS too",
          "The jump that ends 32-bit code: CS gets a new selector, and with it the descriptor's L and D bits, "
          "which decide the size of code. Its target is the first instruction of 64-bit code."),
    Known("lcall", "far call: loads CS too", "Pushes CS and the return address."),
    Known("lret", "far return: pops the address, then CS",
          "Linux uses it as a far jump in 64-bit code, which has none with an immediate address: it pushes "
          "selector and address first."),
    Known("iret iretd iretq", "return from an interrupt",
          "Pops the instruction pointer, CS and the flags, in 64-bit code also RSP and SS."),
    Known("rep movs", "copy ECX items from ESI to EDI",
          "Each step copies one item (movsb 1 byte, movsw 2, movsl 4, movsq 8), adds its size to ESI and EDI "
          "(subtracts it if DF is set), and counts ECX down to 0. A single step of a debugger may do one item "
          "only."),
    Known("rep stos", "fill ECX items at EDI with EAX",
          "Each step stores AL, AX, EAX or RAX, moves EDI on, and counts ECX down to 0. Kernels clear .bss with "
          "it."),
    Known("movs", "copy one item from ESI to EDI", "Both move on by its size."),
    Known("stos", "store EAX at EDI", "EDI moves on by its size."),
    Known("lods", "load EAX from ESI", "ESI moves on by its size."),
    Known("repe cmps", "compare items at ESI and EDI while they are equal",
          "ECX counts down; the flags have the result."),
    Known("in", "read from an I/O port",
          "DX or a constant names the port: 0x3f8 is the first serial port. Under a VMM, it leaves the guest."),
    Known("out", "write to an I/O port",
          "DX or a constant names the port: 0x3f8 is the first serial port. Under a VMM, it leaves the guest."),
    Known("ud2", "cause a fault: the code gave up",
          "An undefined instruction, on purpose: Linux's BUG() and the end of functions that do not return. "
          "Without an IDT, a triple fault."),
    Known("int3", "cause a breakpoint trap", "Also fills the space between functions, where nothing should run."),
    Known("invlpg", "forget the translation of one page",
          "Drops what the CPU has cached about the page at this address."),
    Known("wbinvd", "write back and empty the caches", "Slow. Needed before the memory type of pages changes."),
    Known("swapgs", "exchange the bases of GS", "The user's and the kernel's, at the border between both."),
    Known("vmcall vmmcall", "hypercall: ask the hypervisor",
          "vmcall on Intel, vmmcall on AMD. Linux calls them through a page that Xen fills; EAX has the number "
          "of the hypercall."),
    Known("pause", "tell the CPU that this is a loop that waits"),
    Known("endbr64 endbr32", "mark a valid target of an indirect jump",
          "Does nothing, unless control-flow enforcement is on."),
    Known("clac", "forbid access to user memory",
          "Clears the flag AC: with CR4.SMAP, the kernel cannot read or write user pages."),
    Known("stac", "allow access to user memory", "Sets the flag AC."),
    Known("xsetbv", "set XCR0: which register sets may be used", "ECX is 0, EDX:EAX the value."),
    Known("bt", "copy one bit to CF", "The bit that the first operand numbers."),
    Known("bts", "copy one bit to CF, then set it", "Linux sets EFER.NX and CR4 bits with it."),
    Known("btr", "copy one bit to CF, then clear it"),
    Known("xchg", "exchange two operands", "With memory, also without the prefix lock, no other CPU comes between."),
    Known("cmpxchg", "compare with EAX and exchange, if equal"),
    Known("call", "push the return address and jump",
          "Needs a stack: at the PVH entry, ESP may be anything.", is_usual=True),
    Known("ret", "pop the return address and jump there", is_usual=True),
    Known("jmp", "jump", "With `*`, to the address in a register or in memory.", is_usual=True),
    Known("push", "put a value on the stack", "RSP goes down by its size first.", is_usual=True),
    Known("pop", "take a value from the stack", "RSP goes up by its size.", is_usual=True),
    Known("pushf", "push the flags", is_usual=True),
    Known("popf", "pop the flags",
          "With 0 or 2 on the stack, all flags are clear afterwards: Linux does so early.", is_usual=True),
    Known("leave", "RSP = RBP, then pop RBP: the end of a function", is_usual=True),
    Known("mov movabs", "copy", "The first operand to the second.", is_usual=True),
    Known("movzx movzbl movzwl movzbw movzbq movzwq", "copy, and fill with zeros", is_usual=True),
    Known("movsx movslq movsbl movsbq movswl movswq", "copy, and fill with the sign", is_usual=True),
    Known("lea", "compute an address",
          "The address itself, not what is there. Compilers also add with it.", is_usual=True),
    Known("add", "add", is_usual=True),
    Known("adc", "add, with the carry", is_usual=True),
    Known("sub", "subtract the first operand from the second", is_usual=True),
    Known("sbb", "subtract, with the borrow", is_usual=True),
    Known("and", "and, bit by bit", "Clears the bits that are 0 in the first operand.", is_usual=True),
    Known("or", "or, bit by bit", "Sets the bits that are 1 in the first operand.", is_usual=True),
    Known("xor", "exclusive or, bit by bit", "A register with itself: it becomes 0.", is_usual=True),
    Known("not", "invert all bits", is_usual=True),
    Known("neg", "change the sign", is_usual=True),
    Known("inc", "add 1", is_usual=True),
    Known("dec", "subtract 1", is_usual=True),
    Known("cmp", "compare: subtract and keep only the flags", is_usual=True),
    Known("test", "and, and keep only the flags", "A register with itself: is it 0, is it negative?", is_usual=True),
    Known("shl sal", "shift left", "Each step doubles.", is_usual=True),
    Known("shr", "shift right, with zeros", "Each step halves an unsigned number.", is_usual=True),
    Known("sar", "shift right, with the sign", is_usual=True),
    Known("imul mul", "multiply", is_usual=True),
    Known("idiv div", "divide EDX:EAX",
          "The quotient is in EAX, the rest in EDX. A divisor of 0 is a fault.", is_usual=True),
    Known("nop", "do nothing", is_usual=True),
    Known("je jz", "jump if equal, or zero", is_usual=True),
    Known("jne jnz", "jump if not equal, or not zero", is_usual=True),
    Known("jb jc jnae", "jump if below (unsigned), or carry", is_usual=True),
    Known("jae jnb jnc", "jump if above or equal (unsigned), or no carry", is_usual=True),
    Known("ja jnbe", "jump if above (unsigned)", is_usual=True),
    Known("jbe jna", "jump if below or equal (unsigned)", is_usual=True),
    Known("jl jnge", "jump if less (signed)", is_usual=True),
    Known("jge jnl", "jump if greater or equal (signed)", is_usual=True),
    Known("jg jnle", "jump if greater (signed)", is_usual=True),
    Known("jle jng", "jump if less or equal (signed)", is_usual=True),
    Known("js", "jump if negative", is_usual=True),
    Known("jns", "jump if not negative", is_usual=True),
    Known("loop", "count ECX down and jump until it is 0", is_usual=True),
    Known("cmove cmovz", "copy if equal, or zero", is_usual=True),
    Known("cmovne cmovnz", "copy if not equal, or not zero", is_usual=True),
    Known("cmovb cmovc cmovnae", "copy if below (unsigned), or carry", is_usual=True),
    Known("cmovae cmovnb cmovnc", "copy if above or equal (unsigned), or no carry", is_usual=True),
    Known("cmova cmovnbe", "copy if above (unsigned)", is_usual=True),
    Known("cmovbe cmovna", "copy if below or equal (unsigned)", is_usual=True),
    Known("cmovl cmovnge", "copy if less (signed)", is_usual=True),
    Known("cmovge cmovnl", "copy if greater or equal (signed)", is_usual=True),
    Known("cmovg cmovnle", "copy if greater (signed)", is_usual=True),
    Known("cmovle cmovng", "copy if less or equal (signed)", is_usual=True),
    Known("cmovs", "copy if negative", is_usual=True),
    Known("cmovns", "copy if not negative", is_usual=True),
    Known("sete setz", "1 if equal, or zero, else 0", is_usual=True),
    Known("setne setnz", "1 if not equal, or not zero, else 0", is_usual=True),
    Known("setb setc setnae", "1 if below (unsigned), or carry, else 0", is_usual=True),
    Known("setae setnb setnc", "1 if above or equal (unsigned), or no carry, else 0", is_usual=True),
    Known("seta setnbe", "1 if above (unsigned), else 0", is_usual=True),
    Known("setbe setna", "1 if below or equal (unsigned), else 0", is_usual=True),
    Known("setl setnge", "1 if less (signed), else 0", is_usual=True),
    Known("setge setnl", "1 if greater or equal (signed), else 0", is_usual=True),
    Known("setg setnle", "1 if greater (signed), else 0", is_usual=True),
    Known("setle setng", "1 if less or equal (signed), else 0", is_usual=True),
    Known("sets", "1 if negative, else 0", is_usual=True),
    Known("setns", "1 if not negative, else 0", is_usual=True),
)
# fmt: on

_PREFIXES = {"rep": "rep", "repe": "repe", "repz": "repe", "repne": "repne", "repnz": "repne", "lock": ""}
_SPECIAL = pattern(r"%(cr[0-8]|[d-gs]s)\b")
_SIZES = "bwlqd"
_READ_OR_WRITE = "read or write"


def of_text(text: str) -> Known | None:
    """Return what is known about an instruction, from its text in AT&T syntax."""
    words = text.split(None, 1)
    prefix = _PREFIXES.get(words[0]) if words else None
    if prefix is not None:
        words = words[1].split(None, 1) if len(words) > 1 else []
    if not words:
        return None
    operands = words[1].partition("#")[0].rstrip() if len(words) > 1 else ""
    known = (_by_name().get(name) for name in _names(prefix or "", words[0], operands))
    return next((_as_used(found, operands) for found in known if found), None)


def _as_used(known: Known, operands: str) -> Known:
    """Say whether the instruction reads or writes a control register: it writes its last operand."""
    if not known.brief.startswith(_READ_OR_WRITE):
        return known
    verb = "write" if operands.rpartition("%")[2].startswith("cr") else "read"
    return known._replace(brief=verb + known.brief.removeprefix(_READ_OR_WRITE))


def of_words(words: str) -> Known | None:
    """Return the instruction that a user names: with a size suffix, a prefix, or operands with `%`."""
    first, _, rest = words.partition(" ")
    is_instruction = not rest or "%" in rest or (first in _PREFIXES and " " not in rest)
    return of_text(words) if is_instruction else None


def _names(prefix: str, mnemonic: str, operands: str) -> Iterator[str]:
    """Yield the names that an instruction may have in the table, the most special first."""
    bare = mnemonic[:-1] if mnemonic[-1] in _SIZES else mnemonic
    if prefix:
        yield from (f"{prefix} {bare}", f"{prefix} {mnemonic}")
    if bare == "mov" and (special := _special(operands)):
        yield f"mov {special}"
    yield from (mnemonic, bare)


def _special(operands: str) -> str:
    """Return the control register in the operands, or the segment register that they load."""
    for found in _SPECIAL.findall(operands):
        if found.startswith("cr") or operands.rstrip().endswith(f"%{found}"):
            return str(found)
    return ""


@cache
def _by_name() -> dict[str, Known]:
    return {name: known for known in reversed(KNOWN) for name in _all_names(known)}


def _all_names(known: Known) -> list[str]:
    first = known.names.split()
    return [known.names] if first[0] in ("rep", "repe") or _SPECIAL.fullmatch(f"%{first[-1]}") else first


def topics() -> Iterator[Topic]:
    for known in KNOWN:
        names = tuple(_all_names(known))
        yield Topic(INSTRUCTIONS, names[0], names, partial(explain, known))


def explain(known: Known) -> Explanation:
    return Explanation(
        f"instruction {', '.join(_all_names(known))}",
        meaning=known.brief,
        source=_GENERAL if known.is_usual else _SYSTEM,
        details=(known.details,) if known.details else (),
    )
