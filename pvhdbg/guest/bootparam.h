/*
 * struct boot_params, also called the zero page: an x86 kernel gets its boot information in this structure, with every
 * boot protocol. The PVH entry (pvh.c) sets only a few fields and leaves the others zero; those are for BIOS and EFI
 * boots. Every field has the same name as in Linux, so that a debugger shows the same structure for both kernels.
 */
#ifndef BOOTPARAM_H
#define BOOTPARAM_H

#include "types.h"

#define E820_MAX_ENTRIES_ZEROPAGE	128

struct screen_info {
	u8 orig_x;
	u8 orig_y;
	u16 ext_mem_k;
	u16 orig_video_page;
	u8 orig_video_mode;
	u8 orig_video_cols;
	u8 flags;
	u8 unused2;
	u16 orig_video_ega_bx;
	u16 unused3;
	u8 orig_video_lines;
	u8 orig_video_isVGA;
	u16 orig_video_points;
	u16 lfb_width;
	u16 lfb_height;
	u16 lfb_depth;
	u32 lfb_base;
	u32 lfb_size;
	u16 cl_magic;
	u16 cl_offset;
	u16 lfb_linelength;
	u8 red_size;
	u8 red_pos;
	u8 green_size;
	u8 green_pos;
	u8 blue_size;
	u8 blue_pos;
	u8 rsvd_size;
	u8 rsvd_pos;
	u16 vesapm_seg;
	u16 vesapm_off;
	u16 pages;
	u16 vesa_attributes;
	u32 capabilities;
	u32 ext_lfb_base;
	u8 _reserved[2];
} packed;

struct apm_bios_info {
	u16 version;
	u16 cseg;
	u32 offset;
	u16 cseg_16;
	u16 dseg;
	u16 flags;
	u16 cseg_len;
	u16 cseg_16_len;
	u16 dseg_len;
};

struct ist_info {
	u32 signature;
	u32 command;
	u32 event;
	u32 perf_level;
};

struct sys_desc_table {
	u16 length;
	u8 table[14];
};

struct olpc_ofw_header {
	u32 ofw_magic;
	u32 ofw_version;
	u32 cif_handler;
	u32 irq_desc_table;
} packed;

struct edid_info {
	u8 dummy[128];
};

struct efi_info {
	u32 efi_loader_signature;
	u32 efi_systab;
	u32 efi_memdesc_size;
	u32 efi_memdesc_version;
	u32 efi_memmap;
	u32 efi_memmap_size;
	u32 efi_systab_hi;
	u32 efi_memmap_hi;
};

/* The BIOS's description of a disk. Linux has a dozen variants of the last part; here it is only bytes. */
struct edd_info {
	u8 device;
	u8 version;
	u16 interface_support;
	u16 legacy_max_cylinder;
	u8 legacy_max_head;
	u8 legacy_sectors_per_track;
	u8 params[74];
} packed;

/* One range of the memory map in the zero page. */
struct boot_e820_entry {
	u64 addr;
	u64 size;
	u32 type;
} packed;

/* In a bzImage, these bytes are part of the file, and the boot loader fills in some of the fields. */
struct setup_header {
	u8 setup_sects;
	u16 root_flags;
	u32 syssize;
	u16 ram_size;
	u16 vid_mode;
	u16 root_dev;
	u16 boot_flag;
	u16 jump;
	u32 header;
	u16 version;
	u32 realmode_swtch;
	u16 start_sys_seg;
	u16 kernel_version;
	u8 type_of_loader;
	u8 loadflags;
	u16 setup_move_size;
	u32 code32_start;
	u32 ramdisk_image;
	u32 ramdisk_size;
	u32 bootsect_kludge;
	u16 heap_end_ptr;
	u8 ext_loader_ver;
	u8 ext_loader_type;
	u32 cmd_line_ptr;
	u32 initrd_addr_max;
	u32 kernel_alignment;
	u8 relocatable_kernel;
	u8 min_alignment;
	u16 xloadflags;
	u32 cmdline_size;
	u32 hardware_subarch;
	u64 hardware_subarch_data;
	u32 payload_offset;
	u32 payload_length;
	u64 setup_data;
	u64 pref_address;
	u32 init_size;
	u32 handover_offset;
	u32 kernel_info_offset;
} packed;

struct boot_params {
	struct screen_info screen_info;
	struct apm_bios_info apm_bios_info;
	u8 _pad2[4];
	u64 tboot_addr;
	struct ist_info ist_info;
	u64 acpi_rsdp_addr;
	u8 _pad3[8];
	u8 hd0_info[16];
	u8 hd1_info[16];
	struct sys_desc_table sys_desc_table;
	struct olpc_ofw_header olpc_ofw_header;
	u32 ext_ramdisk_image;
	u32 ext_ramdisk_size;
	u32 ext_cmd_line_ptr;
	u8 _pad4[112];
	u32 cc_blob_address;
	struct edid_info edid_info;
	struct efi_info efi_info;
	u32 alt_mem_k;
	u32 scratch;
	u8 e820_entries;	/* one byte: the count is modulo 256 */
	u8 eddbuf_entries;
	u8 edd_mbr_sig_buf_entries;
	u8 kbd_status;
	u8 secure_boot;
	u8 _pad5[2];
	u8 sentinel;
	u8 _pad6[1];
	struct setup_header hdr;
	u8 _pad7[36];
	u32 edd_mbr_sig_buffer[16];
	struct boot_e820_entry e820_table[E820_MAX_ENTRIES_ZEROPAGE];
	u8 _pad8[48];
	struct edd_info eddbuf[6];
	u8 _pad9[276];
} packed;

#define AT(field, offset)	_Static_assert(__builtin_offsetof(struct boot_params, field) == (offset), #field)
AT(acpi_rsdp_addr, 0x070);
AT(ext_ramdisk_image, 0x0c0);
AT(efi_info, 0x1c0);
AT(e820_entries, 0x1e8);
AT(sentinel, 0x1ef);
AT(hdr, 0x1f1);
AT(hdr.version, 0x206);
AT(hdr.ramdisk_image, 0x218);
AT(hdr.cmd_line_ptr, 0x228);
AT(_pad7, 0x26c);
AT(e820_table, 0x2d0);
AT(eddbuf, 0xd00);
#undef AT
_Static_assert(sizeof(struct boot_params) == 4096, "one page");
_Static_assert(sizeof(struct boot_e820_entry) == 20, "packed");

/* The PVH entry fills in pvh_bootparams (pvh.c). boot_params (main.c) is the kernel's copy. */
extern struct boot_params pvh_bootparams;
extern struct boot_params boot_params;

#endif
