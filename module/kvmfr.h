/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * What programs say to /dev/kvmfr*.
 *
 * The size of the region is told by lseek(SEEK_END). KVMFR_DMABUF_GETSIZE tells it as well, but
 * what ioctl() returns is an int: it fails with EOVERFLOW from 2 GiB on.
 */
#ifndef KVMFR_H
#define KVMFR_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The new descriptor is closed by exec. */
#define KVMFR_DMABUF_FLAG_CLOEXEC	0x1

/**
 * struct kvmfr_dmabuf_create - a part of the region that becomes a DMA-BUF
 * @flags: KVMFR_DMABUF_FLAG_CLOEXEC or nothing
 * @offset: first byte, a multiple of the page size
 * @size: bytes, a multiple of the page size
 */
struct kvmfr_dmabuf_create {
	__u8 flags;
	/* Seven bytes nobody looks at. */
	__u64 offset __attribute__((aligned(8)));
	__u64 size;
};

#define KVMFR_DMABUF_CREATE	_IOW('u', 0x42, struct kvmfr_dmabuf_create)
#define KVMFR_DMABUF_GETSIZE	_IO('u', 0x44)

#endif
