#pragma once

/* The part of the kernel that mm/mem_notify.c of 2.6.24 and 2.6.25 uses; its calls are printed. */

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define HZ 250
#define INITIAL_JIFFIES ((unsigned long)(unsigned int)(-300 * HZ))
#define time_before(a, b) ((long)((a) - (b)) < 0)
static unsigned long jiffies = INITIAL_JIFFIES + 60 * HZ;

#define likely(x) (x)
#define unlikely(x) (x)
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max_t(type, a, b) ((type)(a) > (type)(b) ? (type)(a) : (type)(b))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define EXPORT_SYMBOL(x) extern int exported_##x
#define POLL_IN 1

typedef struct { int value; } atomic_t;
typedef struct { long value; } atomic_long_t;
#define ATOMIC_INIT(i) { i }
#define ATOMIC_LONG_INIT(i) { i }
#define atomic_read(v) ((v)->value)
#define atomic_inc(v) ((v)->value++)
#define atomic_dec(v) ((v)->value--)
#define atomic_add(i, v) ((v)->value += (i))
#define atomic_long_read(v) ((v)->value)
#define atomic_long_set(v, i) ((v)->value = (long)(i))
#define atomic_long_add(i, v) ((v)->value += (i))

typedef struct { const char *name; } spinlock_t;
#define DEFINE_SPINLOCK(x) spinlock_t x = { #x }
#define spin_lock(l) printf("lock %s\n", (l)->name)
#define spin_unlock(l) printf("unlock %s\n", (l)->name)
#define spin_lock_irqsave(l, flags) ((flags) = 0, printf("lock %s irqs off\n", (l)->name))
#define spin_unlock_irqrestore(l, flags) ((void)(flags), printf("unlock %s\n", (l)->name))

typedef struct { spinlock_t lock; } wait_queue_head_t;
typedef int poll_table;
#define DECLARE_WAIT_QUEUE_HEAD(x) wait_queue_head_t x = { { "queue" } }
#define wake_up_locked_nr(q, nr) ((void)(q), printf("wake %d\n", (nr)))
#define poll_wait_exclusive(file, q, wait) ((void)(file), (void)(q), (void)(wait))

struct list_head { struct list_head *next, *prev; };
#define LIST_HEAD(x) struct list_head x = { &x, &x }
#define INIT_LIST_HEAD(l) ((l)->next = (l)->prev = (l))
#define list_empty(l) ((l)->next == (l))
#define list_entry(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

static inline void list_add(struct list_head *new, struct list_head *head)
{
	new->next = head->next;
	new->prev = head;
	head->next->prev = new;
	head->next = new;
}

static inline void list_del_init(struct list_head *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	INIT_LIST_HEAD(l);
}

static inline void list_move(struct list_head *l, struct list_head *head)
{
	list_del_init(l);
	list_add(l, head);
}

static inline void list_splice(struct list_head *from, struct list_head *head)
{
	if (list_empty(from))
		return;
	from->prev->next = head->next;
	head->next->prev = from->prev;
	head->next = from->next;
	from->next->prev = head;
}

struct inode;
struct fown_struct { int pid; };
struct file { void *private_data; struct fown_struct f_owner; };
struct file_operations {
	int (*open)(struct inode *, struct file *);
	int (*release)(struct inode *, struct file *);
	unsigned int (*poll)(struct file *, poll_table *);
	int (*fasync)(int, struct file *, int);
};

static inline void send_sigio(struct fown_struct *owner, int fd, int band)
{
	printf("signal %d fd %d band %d\n", owner->pid, fd, band);
}

#define GFP_KERNEL 0
#define kmalloc(size, flags) malloc(size)
#define kfree(p) free(p)

enum { NR_FREE_PAGES, MAX_NR_ZONES = 4 };
struct zone {
	unsigned long pages_high, free, lowmem_reserve[MAX_NR_ZONES];
	int mem_notify_status;
};
#define zone_page_state(zone, item) ((zone)->free)
