/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saved files. Folders are watched, for most editors put another file in place of the old one. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

#define DROP_INS "portfwd.d"
#define QUIET_MS 100
#define QUIET_MOST_MS 1000	/* while somebody writes on and on */
#define GONE (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED | IN_Q_OVERFLOW)
#define MASK (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | \
	      IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

/* A folder, and the file that counts there; or, where it is missing, the nearest one above it. */
struct place {
	char *folder;
	char *name;	/* NULL: all that could be a drop-in */
	int watch;	/* or -1 */
	char *waits;	/* the name of the next folder on the way; NULL: it is there */
};

enum { MAIN, LINKED, DROPPED, PLACES };

struct files {
	uv_poll_t poll;
	uv_timer_t quiet;
	unsigned int open_handles;
	int fd;
	char *config;
	struct place places[PLACES];
	uint64_t since;		/* the first change that was not told, in ms of the loop; 0: none */
	void (*changed)(void *ctx);
	void *ctx;
};

static void place_clear(struct place *place)
{
	free(place->folder);
	free(place->name);
	free(place->waits);
	*place = (struct place){ .watch = -1 };
}

static int place_set(struct place *place, const char *folder, size_t folder_len, const char *below,
		     const char *name)
{
	place_clear(place);
	if (name) {
		place->name = strdup(name);
		if (!place->name)
			return -ENOMEM;
	}
	if (asprintf(&place->folder, "%.*s%s%s", (int)(folder_len ? folder_len : 1), folder,
		     *below ? "/" : "", below) < 0) {
		place->folder = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* Watches the folder, or the nearest one above it that is there. */
static int place_watch(struct place *place, int fd)
{
	char *path = strdup(place->folder), *slash, *waits = NULL;
	int ret = path ? 0 : -ENOMEM;

	while (!ret) {
		place->watch = inotify_add_watch(fd, *path ? path : "/", MASK);
		slash = strrchr(path, '/');
		if (place->watch >= 0 || (errno != ENOENT && errno != ENOTDIR) || !slash)
			break;
		free(waits);
		waits = strdup(slash + 1);
		ret = waits ? 0 : -ENOMEM;
		*slash = '\0';
	}
	free(path);
	free(place->waits);
	place->waits = waits;
	return ret;
}

/* Where the link at path wants to lead to, in the same folder if it does not say; NULL: it is none. */
static char *read_link(const char *path)
{
	char target[PATH_MAX], *ret;
	ssize_t len = readlink(path, target, sizeof(target));
	int folder = (int)(strrchr(path, '/') + 1 - path);

	if (len <= 0 || len == sizeof(target))
		return NULL;
	if (asprintf(&ret, "%.*s%.*s", *target == '/' ? 0 : folder, path, (int)len, target) < 0)
		return NULL;
	return ret;
}

/* Where the file is, or is to come, if the main file is a link; *ret_path NULL: it is none. */
static void find_linked(const struct files *files, char **ret_path)
{
	char *next = read_link(files->config), *there = next ? realpath(files->config, NULL) : NULL;

	if (there)
		free(next);
	*ret_path = there ? there : next;
}

static int watch_again(struct files *files)
{
	const char *slash = strrchr(files->config, '/');
	size_t len = (size_t)(slash - files->config), i;
	char *linked;
	int ret;

	find_linked(files, &linked);
	ret = place_set(&files->places[MAIN], files->config, len, "", slash + 1);
	if (!ret)
		ret = place_set(&files->places[DROPPED], files->config, len, DROP_INS, NULL);
	place_clear(&files->places[LINKED]);
	slash = linked ? strrchr(linked, '/') : NULL;
	if (!ret && slash)
		ret = place_set(&files->places[LINKED], linked, (size_t)(slash - linked), "",
				slash + 1);
	for (i = 0; !ret && i < PLACES; i++)
		if (files->places[i].folder)
			ret = place_watch(&files->places[i], files->fd);
	free(linked);
	return ret;
}

/* A file that was just made is still empty; its end of writing tells. */
static bool is_being_written(const struct place *place, const struct inotify_event *event)
{
	char path[PATH_MAX];
	struct stat st;

	if (!(event->mask & IN_CREATE) || event->mask & IN_ISDIR)
		return false;
	snprintf(path, sizeof(path), "%s/%s", place->folder, event->name);
	return !lstat(path, &st) && S_ISREG(st.st_mode) && st.st_nlink == 1;
}

static bool could_be_drop_in(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > 5 && !strcmp(name + len - 5, ".json");
}

static bool concerns(const struct place *place, const struct inotify_event *event)
{
	if (place->watch != event->wd)
		return false;
	if (event->mask & GONE)
		return true;
	if (!event->len)
		return false;
	if (place->waits)
		return !strcmp(event->name, place->waits);
	if (place->name ? strcmp(event->name, place->name) != 0 : !could_be_drop_in(event->name))
		return false;
	return !is_being_written(place, event);
}

/* Whether one of the events concerns us; *ret_lost: the places have to be looked for again. */
static bool take_events(struct files *files, bool *ret_lost)
{
	_Alignas(struct inotify_event) char buf[16 * 1024];
	const struct inotify_event *event;
	bool any = false;
	const char *at;
	ssize_t len;
	size_t i;

	while ((len = read(files->fd, buf, sizeof(buf))) > 0)
		for (at = buf; at < buf + len; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)(const void *)at;
			for (i = 0; i < PLACES; i++)
				if (concerns(&files->places[i], event))
					any = true;
			*ret_lost = *ret_lost || event->mask & GONE;
		}
	return any || *ret_lost;
}

static void tell(uv_timer_t *timer)
{
	struct files *files = timer->data;

	files->since = 0;
	files->changed(files->ctx);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct files *files = poll->data;
	uint64_t now, quiet = QUIET_MS, left;
	bool lost = false;

	(void)events;
	if (status < 0 || !take_events(files, &lost))
		return;
	/* A link may lead elsewhere now, and a folder that was waited for may be there. */
	(void)watch_again(files);
	now = uv_now(poll->loop);
	files->since = files->since ? files->since : now;
	left = files->since + QUIET_MOST_MS > now ? files->since + QUIET_MOST_MS - now : 0;
	uv_timer_start(&files->quiet, tell, left < quiet ? left : quiet, 0);
}

void files_forget(struct files *files)
{
	bool lost = false;

	if (take_events(files, &lost))
		(void)watch_again(files);
	uv_timer_stop(&files->quiet);
	files->since = 0;
}

static void files_free(struct files *files)
{
	size_t i;

	for (i = 0; i < PLACES; i++)
		place_clear(&files->places[i]);
	if (files->fd >= 0)
		close(files->fd);
	free(files->config);
	free(files);
}

static int start(struct files *files, uv_loop_t *loop, const char *config)
{
	int ret;

	files->config = strdup(config);
	if (!files->config)
		return -ENOMEM;
	files->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (files->fd < 0)
		return -errno;
	ret = watch_again(files);
	if (ret)
		return ret;
	files->quiet.data = files->poll.data = files;
	return uv_poll_init(loop, &files->poll, files->fd);
}

int files_open(uv_loop_t *loop, const char *config, void (*changed)(void *ctx), void *ctx,
	       struct files **ret, struct pfw_error *err)
{
	struct files *files = calloc(1, sizeof(*files));
	int code;

	if (!files)
		return pfw_fail_memory(err);
	files->fd = -1;
	files->changed = changed;
	files->ctx = ctx;
	code = start(files, loop, config);
	if (code) {
		files_free(files);
		return pfw_fail_errno(err, code, "cannot watch %s", config);
	}
	/* Neither fails. */
	uv_timer_init(loop, &files->quiet);
	uv_poll_start(&files->poll, UV_READABLE, on_event);
	files->open_handles = 2;
	*ret = files;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct files *files = handle->data;

	if (!--files->open_handles)
		files_free(files);
}

void files_close(struct files *files)
{
	if (!files)
		return;
	uv_close((uv_handle_t *)&files->poll, on_closed);
	uv_close((uv_handle_t *)&files->quiet, on_closed);
}
