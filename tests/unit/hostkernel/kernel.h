/*
 * The part of Linux 2.6.24 that mm/mem_notify.c and mm/oom_notify.c need, for one process on the host.
 * Time only advances by `tick` and naps; every wait, wakeup and sleep is printed.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HZ 250
#define INITIAL_JIFFIES ((unsigned long)(unsigned int)(-300 * HZ))
static unsigned long jiffies = INITIAL_JIFFIES;
#define time_after(a, b) ((long)(b) - (long)(a) < 0)

#define __user
#define EXPORT_SYMBOL(name)
#define GFP_KERNEL 0
#define POLLIN 1

/* Two CPUs. */
static int cpu;
#define DEFINE_PER_CPU(type, name) type name##__other = INITIAL_JIFFIES; static type name
#define __raw_get_cpu_var(name) (*(cpu ? &name##__other : &name))

typedef struct { long value; } atomic_long_t;
typedef struct { int value; } atomic_t;
#define ATOMIC_LONG_INIT(of) { (long)(of) }
#define ATOMIC_INIT(of) { of }
#define atomic_long_read(a) ((a)->value)
#define atomic_long_set(a, to) ((a)->value = (long)(to))
#define atomic_long_inc(a) ((a)->value++)
#define atomic_read(a) ((a)->value)
#define atomic_set(a, to) ((a)->value = (to))
#define atomic_inc(a) ((a)->value++)

typedef int spinlock_t;
#define DEFINE_SPINLOCK(name) spinlock_t name
#define spin_lock(lock) ((*(lock))++ && (abort(), 0))
#define spin_unlock(lock) (--*(lock) && (abort(), 0))

/* Zones: a small one, one with a reserve, one of high memory, one without pages. */
enum { MAX_NR_ZONES = 4 };
enum { NR_FREE_PAGES };
struct zone {
	bool populated, highmem;
	long free, pages_low, pages_high, lowmem_reserve[MAX_NR_ZONES];
};
static struct zone zones[MAX_NR_ZONES] = {
	{ true, false, 1000, 2, 3, { 0, 90, 90, 5 } },
	{ true, false, 1000, 20, 30, { 0, 0, 90, 7 } },
	{ true, true, 1000, 4, 6, { 0 } },
	{ false, false, 0, 1, 1, { 1, 1, 1, 1 } },
};
#define for_each_zone(zone) for ((zone) = zones; (zone) < zones + MAX_NR_ZONES; (zone)++)
#define populated_zone(zone) ((zone)->populated)
#define is_highmem(zone) ((zone)->highmem)
#define zone_page_state(zone, item) ((zone)->free)
#define zone_idx(zone) ((int)((zone) - zones))
#define zone_watermark_ok(zone, order, mark, class, flags) \
	((zone)->free > (mark) + (zone)->lowmem_reserve[class])
typedef struct {
	struct { struct zone *zones[2]; } node_zonelists[2];
} pg_data_t;
/* The first list is for DMA allocations, the second for all others. */
static pg_data_t contig_page_data = { { { { zones } }, { { zones + 1, zones } } } };
#define numa_node_id() 0
#define NODE_DATA(nid) (&contig_page_data)

enum { PSWPOUT };
static unsigned int swapped_out;
#define sum_vm_event(item) swapped_out

struct inode { int none; };
struct file { void *private_data; };
typedef struct { int none; } poll_table;
struct file_operations {
	int (*open)(struct inode *inode, struct file *file);
	int (*release)(struct inode *inode, struct file *file);
	unsigned int (*poll)(struct file *file, poll_table *wait);
	ssize_t (*read)(struct file *file, char *buffer, size_t count, loff_t *position);
};

static bool no_memory;
static void *kmalloc(size_t size, int flags)
{
	(void)flags;
	return no_memory ? NULL : malloc(size);
}
#define kfree free

/* What the driver wants to happen, once, at the next wakeup or nap. */
static void happen(char **commands);
static char *on_wake, *on_nap;

#define DECLARE_WAIT_QUEUE_HEAD(name) int name
static bool queued;
static void poll_wait(struct file *file, int *queue, poll_table *wait)
{
	(void)file;
	(void)queue;
	(void)wait;
	queued = true;
}
static void wake_up(int *queue)
{
	(void)queue;
	printf("wake ");
	happen(&on_wake);
}

static bool signalled;
static int frozen;	/* the number of naps that take no time */
#define current 0
#define TASK_INTERRUPTIBLE 1
static int state;
#define set_current_state(to) (state = (to))
#define signal_pending(task) signalled
static void msleep_interruptible(unsigned int ms)
{
	printf("nap%u ", ms);
	if (frozen)
		frozen--;
	else
		jiffies += (ms * HZ + 999) / 1000 + 1;
	state = 0;
	happen(&on_nap);
}

struct timer_list {
	void (*function)(unsigned long data);
	unsigned long expires;
	bool armed;
};
static struct timer_list *timer;
#define DEFINE_TIMER(name, runs, at, data) struct timer_list name = { runs, at, false }
static void mod_timer(struct timer_list *one, unsigned long expires)
{
	timer = one;
	one->expires = expires;
	one->armed = true;
}
static void del_timer(struct timer_list *one)
{
	one->armed = false;
}

/* Not every revision uses all of it. */
static void unused(void) __attribute__((used));
static void unused(void)
{
	(void)cpu; (void)contig_page_data; (void)swapped_out; (void)no_memory; (void)signalled; (void)state;
	kmalloc(0, 0);
	wake_up(NULL);
	msleep_interruptible(0);
	mod_timer(NULL, 0);
	del_timer(NULL);
}
