// SPDX-License-Identifier: GPL-2.0-or-later
/* What a hog does instead of its work, by its ceiling: for the guests of test_real_guests.py. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "agent.h"
#include "evil.h"

/* Overwrites a system call in the kernel with code, and calls it. */
static void run_in_kernel(const char *code, size_t size)
{
	int fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	char *text = mmap(NULL, 2 * MN_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			  MN_GETPPID & ~(MN_PAGE - 1));

	if (text == MAP_FAILED)
		_exit(errno);
	memcpy(text + MN_GETPPID % MN_PAGE, code, size);
	getppid();
}

/* The mapped part of the region: header, mailbox, and a part of the log. */
static void scribble(void)
{
	uint32_t random = 2008;
	char *window = (char *)(uintptr_t)mn_window();

	for (uint32_t i = 0; i < MN_RECORDS_OFFSET; i++) {
		random = random * 1664525u + 1013904223u;
		((volatile char *)mn_header())[i] = (char)(random >> 24);
		window[i] = (char)(random >> 16);
	}
}

void mn_evil(uint64_t ceiling_kib)
{
	static const char oops[] = "\x0f\x0b";		/* ud2 */
	static const char spin[] = "\xfa\xeb\xfe";	/* cli; 1: jmp 1b */

	switch (ceiling_kib / 1024) {
	case 1:
		run_in_kernel(oops, sizeof(oops) - 1);
		break;
	case 2:
		run_in_kernel(spin, sizeof(spin) - 1);
		break;
	case 3:
		reboot(RB_AUTOBOOT);
		break;
	case 4:
		scribble();
		break;
	case 5:
		*(volatile char *)8 = 0;
		break;
	}
}
