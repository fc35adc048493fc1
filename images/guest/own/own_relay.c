// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The process that reads what the clients print, and logs it. It comes before all clients and after the
 * agent, so that a line is read when it is written, and it is locked in memory.
 *
 * A client may print so much in a second, and so much in all; what is beyond that is read and left out,
 * since a client that waits for somebody to read would not be back in poll(). It is read late, so that
 * a client which prints all the time does not keep the relay busy.
 *
 * Clients are heard in turns, of a few KiB each: a ready descriptor goes to the end of epoll's list when
 * it has been reported. Those that are read late are read in time, however much others have to say.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sched.h>
#include <unistd.h>

#include "own_agent.h"

#define PRIORITY 40		/* the agent has 50 */
#define EACH_SECOND 128u	/* records of what a client prints */
#define AT_ONCE 256u
#define MOST 2048u		/* in all */
#define LEAST 16u
#define PAUSE_MS 10u
#define TURN 4096		/* bytes that are read of one client before the next */
#define PIPE 65536u		/* bytes in a pipe: what a client prints while it is not read */
#define END UINT32_MAX

struct speaker {
	uint32_t slot;
	int fd;
	bool open, paused;
	uint32_t records, tokens;	/* logged so far; how many it may log now */
	uint64_t filled_ns;		/* when tokens were last counted */
	uint32_t left_out;		/* bytes since the newest record */
	uint32_t read;			/* bytes since it was last found empty, or paused */
	uint8_t length;
	char text[MN_SAID_BYTES];
	uint32_t at;			/* in the line */
	bool matches;			/* so far, with `wakeup` */
	uint64_t since, wakeups;
	const char *wakeup;		/* "" if no line tells of one */
};

static struct mn_own_shared *shared;
static struct speaker *speakers;
static uint32_t most, most_wakeups, open_speakers, paused_speakers;
static uint64_t paused_until_ns;	/* those that are paused; the first of them sets it */
static int waiting = -1;

void mn_own_out_path(char path[MN_NODE_MAX], uint32_t client)
{
	snprintf(path, MN_NODE_MAX, "/own/out-%u", (unsigned int)client);
}

void mn_own_relay_add(uint32_t slot)
{
	int control = open(MN_OWN_CONTROL, O_WRONLY | O_NONBLOCK);

	if (control < 0 || write(control, &slot, sizeof(slot)) != sizeof(slot))
		_exit(errno);
	close(control);
}

void mn_own_relay_end(int control)
{
	const uint32_t end = END;

	if (write(control, &end, sizeof(end)) != sizeof(end))
		mn_fail("end of the relay", errno);
}

static struct mn_own_slot *slot_of(const struct speaker *speaker)
{
	return &shared->slot[speaker->slot];
}

/* --- what is said */

static bool take_token(struct speaker *speaker)
{
	uint64_t now = mn_now();
	uint64_t more = (now - speaker->filled_ns) * EACH_SECOND / NSEC_PER_SEC;

	if (more) {
		speaker->tokens = speaker->tokens + more < AT_ONCE ?
					  speaker->tokens + (uint32_t)more : AT_ONCE;
		speaker->filled_ns = now;
	}
	if (!speaker->tokens || speaker->records >= most)
		return false;
	speaker->tokens--;
	speaker->records++;
	return true;
}

static void log_said(struct speaker *speaker, uint8_t flags)
{
	union {
		struct mn_said said;
		uint64_t value[5];
	} value = { .said = { .length = speaker->length, .flags = flags } };

	value.said.left_out = speaker->left_out;
	memcpy(value.said.text, speaker->text, speaker->length);
	mn_log_at(mn_now(), MN_REC_SAID, slot_of(speaker)->client, &value);
	speaker->left_out = 0;
	speaker->length = 0;
}

static void say(struct speaker *speaker, uint8_t flags)
{
	if (take_token(speaker)) {
		log_said(speaker, flags);
		return;
	}
	speaker->left_out += speaker->length + (flags & MN_SAID_ENDS);
	slot_of(speaker)->left_out += speaker->length + (flags & MN_SAID_ENDS);
	speaker->length = 0;
}

/* It is taken to be back in poll() at once; when it went in is not known. */
static void log_wakeup(struct speaker *speaker)
{
	if (speaker->wakeups >= most_wakeups) {
		slot_of(speaker)->unlogged++;
		return;
	}
	mn_log(MN_REC_WAKEUP, slot_of(speaker)->client, POLLIN, 1, 0, speaker->since,
	       speaker->wakeups++);
	speaker->since = mn_now();
}

static void hear(struct speaker *speaker, char letter)
{
	speaker->matches = speaker->matches && letter == speaker->wakeup[speaker->at];
	if (speaker->matches && !speaker->wakeup[speaker->at + 1])
		log_wakeup(speaker);
	speaker->at++;
	if (letter == '\n') {
		say(speaker, MN_SAID_ENDS);
		speaker->at = 0;
		speaker->matches = *speaker->wakeup;
		return;
	}
	speaker->text[speaker->length++] = letter;
	if (speaker->length == sizeof(speaker->text))
		say(speaker, 0);
	speaker->matches = speaker->matches && speaker->wakeup[speaker->at];
}

/* --- who speaks */

static void watch(struct speaker *speaker, int what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = speaker->slot };

	if (epoll_ctl(waiting, what, speaker->fd, &event))
		_exit(errno);
}

static void end(struct speaker *speaker)
{
	if (speaker->length)
		say(speaker, MN_SAID_ENDS);
	if (speaker->left_out)
		log_said(speaker, MN_SAID_ENDS);
	close(speaker->fd);
	speaker->open = false;
	open_speakers--;
}

static void listen_to(struct speaker *speaker)
{
	static char said[TURN];
	ssize_t got = read(speaker->fd, said, sizeof(said));

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		end(speaker);
		return;
	}
	slot_of(speaker)->written += (uint64_t)got;
	for (ssize_t i = 0; i < got; i++)
		hear(speaker, said[i]);
	speaker->read += (uint32_t)got;
	if (got == TURN && speaker->read < PIPE)
		return;		/* there is more, and others first */
	speaker->read = 0;
	if (speaker->left_out) {
		watch(speaker, EPOLL_CTL_DEL);
		speaker->paused = true;
		if (!paused_speakers++)
			paused_until_ns = mn_now() + PAUSE_MS * 1000000ull;
	}
}

/* In milliseconds, until those that are paused are to be read again. */
static int patience(void)
{
	uint64_t now = mn_now();

	if (!paused_speakers)
		return -1;
	return now < paused_until_ns ? (int)((paused_until_ns - now + 999999) / 1000000) : 0;
}

static void go_on(void)
{
	for (uint32_t i = 0; i < shared->clients && paused_speakers; i++) {
		if (!speakers[i].open || !speakers[i].paused)
			continue;
		speakers[i].paused = false;
		paused_speakers--;
		watch(&speakers[i], EPOLL_CTL_ADD);
	}
}

/* "" if the program has none; the same memory for all clients of a program. */
static const char *wakeup_of(uint32_t program)
{
	static char lines[16][MN_OWN_WAKEUP_SIZE];
	static bool known[16];
	char path[64];

	if (program >= 16)
		return "";
	if (!known[program]) {
		snprintf(path, sizeof(path), MN_OWN_PROGRAMS "/%u/wakeup", (unsigned int)program);
		if (mn_read_file(path, lines[program], sizeof(lines[program])) < 0)
			*lines[program] = '\0';
		known[program] = true;
	}
	return lines[program];
}

static void add(uint32_t slot)
{
	struct speaker *speaker = &speakers[slot];
	char path[MN_NODE_MAX];

	mn_own_out_path(path, shared->slot[slot].client);
	speaker->slot = slot;
	speaker->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (speaker->fd < 0)
		_exit(errno);
	speaker->open = true;
	speaker->tokens = AT_ONCE;
	speaker->filled_ns = speaker->since = mn_now();
	speaker->wakeup = wakeup_of(shared->slot[slot].program);
	speaker->matches = *speaker->wakeup;
	watch(speaker, EPOLL_CTL_ADD);
	open_speakers++;
}

/* --- the process */

static void prepare(void)
{
	const struct sched_param before_clients = { .sched_priority = PRIORITY };
	uint32_t share = mn_header()->capacity / 8 / shared->clients;

	most = share < LEAST ? LEAST : share < MOST ? share : MOST;
	most_wakeups = mn_header()->capacity / 4 / shared->clients;
	speakers = mmap(NULL, shared->clients * sizeof(*speakers), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	waiting = epoll_create(1);
	if (speakers == MAP_FAILED || waiting < 0 || mlockall(MCL_CURRENT | MCL_FUTURE) ||
	    syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &before_clients))
		_exit(errno);
	/* Nobody may be without it; before 2.6.36 there is the other file only. */
	if (mn_write_file("/proc/self/oom_score_adj", "-1000"))
		mn_write_file("/proc/self/oom_adj", "-17");
}

noreturn void mn_own_relay(struct mn_own_shared *clients)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = END };
	int control = open(MN_OWN_CONTROL, O_RDWR | O_CLOEXEC);
	bool ending = false;
	uint32_t slot;

	shared = clients;
	prepare();
	if (control < 0 || epoll_ctl(waiting, EPOLL_CTL_ADD, control, &event))
		_exit(errno);
	while (!ending || open_speakers) {
		int ready = epoll_wait(waiting, &event, 1, patience());

		if (ready < 0 && errno != EINTR)
			_exit(errno);
		if (!patience())
			go_on();
		if (ready <= 0)
			continue;
		if (event.data.u32 != END)
			listen_to(&speakers[event.data.u32]);
		else if (read(control, &slot, sizeof(slot)) == sizeof(slot) && slot != END)
			add(slot);
		else
			ending = true;
	}
	_exit(0);
}
