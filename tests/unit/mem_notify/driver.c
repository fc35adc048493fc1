/* Runs the words of its command line on /dev/mem_notify; files and zones are numbered from 0. */

#include "kernel.h"

#include "mm/mem_notify.c"

#include <string.h>

static struct file files[4096];
static struct zone zone = { .pages_high = 100, .free = 10 };

int main(int argc, char **argv)
{
	int opened = 0;

	setvbuf(stdout, NULL, _IONBF, 0);
	for (int i = 1; i < argc; i++) {
		char word[16];
		int number = 0;

		sscanf(argv[i], "%15[a-z]:%d", word, &number);
		if (!strcmp(word, "open"))
			for (int n = 0; n < number; n++, opened++) {
				files[opened].f_owner.pid = 1000 + opened;
				mem_notify_fops.open(NULL, &files[opened]);
			}
		else if (!strcmp(word, "close"))
			mem_notify_fops.release(NULL, &files[number]);
		else if (!strcmp(word, "on"))
			printf("on %d\n", mem_notify_fops.fasync(100 + number, &files[number], 1));
		else if (!strcmp(word, "off"))
			printf("off %d\n", mem_notify_fops.fasync(-1, &files[number], 0));
		else if (!strcmp(word, "poll"))
			printf("poll %u\n", mem_notify_fops.poll(&files[number], NULL));
		else if (!strcmp(word, "ticks"))
			jiffies += (unsigned long)number;
		else if (!strcmp(word, "free"))
			zone.free = (unsigned long)number;
		else if (!strcmp(word, "status"))
			zone.mem_notify_status = number;
		else if (!strcmp(word, "pressure"))
			memory_pressure_notify(&zone, number);
		else
			return 2;
	}
	return 0;
}
