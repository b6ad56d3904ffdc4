/*
 * A small printk: %s, %u, %x and %llx. Hexadecimal numbers may have a prefix and a width: %#x prints a leading 0x, and
 * %#018llx pads with zeros to 18 characters including the 0x, as in standard C.
 */
#include "console.h"

/* The same definitions as in <stdarg.h>. */
typedef __builtin_va_list va_list;
#define va_start	__builtin_va_start
#define va_arg		__builtin_va_arg
#define va_end		__builtin_va_end

static void print_text(const char *text)
{
	while (*text)
		serial_put(*text++);
}

static void print_number(u64 value, u32 base, u32 min_digits)
{
	char digits[20];
	u32 count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value || count < min_digits);
	while (count)
		serial_put(digits[--count]);
}

/* Print untrusted text: bytes that are not printable ASCII are printed as \xNN, so they cannot control a terminal. */
void print_escaped(const char *text, u32 limit)
{
	for (u32 i = 0; i < limit && text[i]; i++) {
		if (text[i] >= ' ' && text[i] <= '~' && text[i] != '\\')
			serial_put(text[i]);
		else if (text[i] == '\\')
			print_text("\\\\");
		else
			printk("\\x%02x", (u8)text[i]);
	}
}

struct spec {
	bool prefix, wide;
	u32 width;
};

/* Parse the characters between the % and the letter. Leave *format at the letter. */
static struct spec parse_spec(const char **format)
{
	struct spec spec = { false, false, 0 };

	if (**format == '#') {
		spec.prefix = true;
		++*format;
	}
	for (; **format >= '0' && **format <= '9'; ++*format)
		spec.width = spec.width * 10 + (**format - '0');
	for (; **format == 'l'; ++*format)
		spec.wide = true;
	return spec;
}

static void print_hex(struct spec spec, u64 value)
{
	if (spec.prefix) {
		print_text("0x");
		spec.width = spec.width > 2 ? spec.width - 2 : 0;
	}
	print_number(value, 16, spec.width);
}

static void print_argument(const char **format, va_list *arguments)
{
	struct spec spec = parse_spec(format);

	switch (*(*format)++) {
	case 's':
		print_text(va_arg(*arguments, const char *));
		break;
	case 'u':
		print_number(va_arg(*arguments, u32), 10, 0);
		break;
	case 'x':
		print_hex(spec, spec.wide ? va_arg(*arguments, u64) : va_arg(*arguments, u32));
		break;
	}
}

void printk(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	while (*format) {
		if (*format != '%')
			serial_put(*format++);
		else {
			format++;
			print_argument(&format, &arguments);
		}
	}
	va_end(arguments);
}
