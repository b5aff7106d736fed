/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A picture of what stands in the kernel: its file. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "picture.h"
#include "portfwd/kernel/sysctl.h"

/* Less than this is read from the kernel as fast. */
#define ITEMS_MIN 1000
#define BOOT_ID "kernel/random/boot_id"

/* Of another boot, program or generation it does not count. */
struct head {
	char program[32];
	char boot[PFW_SYSCTL_VALUE];
	uint32_t generation;
	uint32_t zero;
	uint64_t len;
	uint64_t hash;
};

static char *path_of(const struct pfw_engine *engine)
{
	char *path;

	return asprintf(&path, "%s/picture", engine->state.folder) < 0 ? NULL : path;
}

static void fill_head(uint32_t generation, const void *bytes, size_t len, struct head *ret)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	char boot[PFW_SYSCTL_VALUE] = "";

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->program, sizeof(ret->program), "portfwd " PACKAGE_VERSION);
	pfw_sysctl_read(BOOT_ID, boot, &ignored);
	/* What stands behind the text must be the same each time too. */
	snprintf(ret->boot, sizeof(ret->boot), "%s", boot);
	ret->generation = generation;
	ret->len = len;
	ret->hash = pfw_hash(bytes, len);
}

static bool read_fully(int fd, void *to, size_t len)
{
	ssize_t got;

	for (; len; to = (char *)to + got, len -= (size_t)got) {
		got = read(fd, to, len);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			return false;
	}
	return true;
}

/* Whatever is wrong with the file, or with whose it is: there is no picture then. */
static bool read_picture(int fd, struct pfw_image *image, struct head *ret)
{
	struct head head, wanted;
	struct stat st;
	uint8_t *bytes;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    !read_fully(fd, &head, sizeof(head)) ||
	    (uint64_t)st.st_size != sizeof(head) + head.len)
		return false;
	bytes = pfw_arena_alloc(&image->arena, head.len);
	if (!bytes || !read_fully(fd, bytes, head.len))
		return false;
	fill_head(head.generation, bytes, head.len, &wanted);
	*ret = head;
	return !memcmp(&head, &wanted, sizeof(head)) && !pfw_image_unpack(image, bytes, head.len);
}

int picture_load(struct pfw_engine *engine, struct pfw_image *image, bool *ret,
		 struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[ENGINE_PACKETS];
	struct pfw_image found = { 0 };
	char *path = path_of(engine);
	bool counts = false;
	struct head head;
	int fd, code = 0;

	if (!path)
		return pfw_fail_memory(err);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	free(path);
	if (fd < 0)
		return 0;
	if (to->ops->unchanged && read_picture(fd, &found, &head))
		code = to->ops->unchanged(to->handle, head.generation, &counts, err);
	close(fd);
	if (code || !counts) {
		pfw_image_free(&found);
		return code;
	}
	*image = found;
	*ret = true;
	return 0;
}

static int write_picture(const char *path, struct head *head, const struct pfw_buffer *bytes)
{
	struct iovec parts[] = { { head, sizeof(*head) }, { bytes->data, bytes->len } };
	ssize_t len = (ssize_t)(sizeof(*head) + bytes->len);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int ret;

	if (fd < 0)
		return -errno;
	/* Written in part it does not count, so nothing more is tried. */
	ret = writev(fd, parts, 2) == len ? 0 : -EIO;
	close(fd);
	return ret;
}

/* What goes by the kernel's clock goes without a new generation. */
static bool has_its_time(const struct pfw_backend *ops, const struct pfw_image *image)
{
	uint32_t i;

	for (i = 0; ops->is_past && i < image->n_items; i++)
		if (ops->is_past(&image->items[i], INT64_MAX))
			return true;
	return false;
}

void picture_save(struct pfw_engine *engine, const struct pfw_image *image)
{
	const struct engine_backend *to = &engine->backends[ENGINE_PACKETS];
	uint32_t generation = to->ops->generation ? to->ops->generation(to->handle) : 0;
	struct pfw_buffer bytes = { 0 };
	char *path;
	struct head head;

	picture_remove(engine);
	path = path_of(engine);
	if (!path || !generation || !engine->state.unique || image->n_items < ITEMS_MIN ||
	    has_its_time(to->ops, image))
		goto out;
	pfw_image_pack(image, &bytes);
	if (bytes.failed)
		goto out;
	fill_head(generation, bytes.data, bytes.len, &head);
	if (write_picture(path, &head, &bytes))
		picture_remove(engine);
out:
	pfw_buffer_free(&bytes);
	free(path);
}

void picture_remove(struct pfw_engine *engine)
{
	char *path = path_of(engine);

	if (path)
		unlink(path);
	free(path);
}
