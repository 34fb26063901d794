/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What main.c and buffer.c share: a region, and the pages of it. */
#ifndef KVMFR_DEVICE_H
#define KVMFR_DEVICE_H

#include <linux/atomic.h>
#include <linux/dma-buf.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/wait.h>

/**
 * struct kvmfr_device - one region
 * @ref: the registration, each open file and each DMA-BUF
 * @minor: which /dev/kvmfrN
 * @size: bytes, a multiple of the page size
 * @memory: the pages of a static device, else NULL
 * @pdev: the PCI device, else NULL; not to be used once @gone
 * @pgmap: struct pages for the BAR
 * @lock: guards the fields below; held for reading while pages are given out
 * @gone: the PCI device is gone, and with it the pages
 * @files: open files
 * @buffers: DMA-BUFs
 * @users: uses of pages by drivers: mapped attachments and kernel mappings
 * @idle: woken when @users becomes 0
 */
struct kvmfr_device {
	struct kref ref;
	int minor;
	u64 size;
	void *memory;
	struct pci_dev *pdev;
	struct dev_pagemap pgmap;
	/* Guards what follows. */
	struct rw_semaphore lock;
	bool gone;
	struct list_head files;
	struct list_head buffers;
	atomic_t users;
	wait_queue_head_t idle;
};

/**
 * struct kvmfr_buffer - a part of a region, exported
 * @kdev: its device
 * @entry: in the device's list
 * @inode: of the DMA-BUF; its mappings are found by it
 * @first: its first page in the region
 * @pages: number of pages
 * @lock: guards @attachments
 * @attachments: of drivers
 */
struct kvmfr_buffer {
	struct kvmfr_device *kdev;
	struct list_head entry;
	struct inode *inode;
	pgoff_t first;
	pgoff_t pages;
	/* Guards the list. */
	struct mutex lock;
	struct list_head attachments;
};

void kvmfr_device_put(struct kvmfr_device *kdev);

struct page *kvmfr_page(struct kvmfr_device *kdev, pgoff_t index);
pgprot_t kvmfr_pgprot(struct kvmfr_device *kdev, pgprot_t prot);
int kvmfr_use(struct kvmfr_device *kdev);
void kvmfr_unuse(struct kvmfr_device *kdev);
vm_fault_t kvmfr_fault_in(struct kvmfr_device *kdev, struct vm_fault *vmf,
			  pgoff_t first, pgoff_t pages);
int kvmfr_prepare_vma(struct kvmfr_device *kdev, struct vm_area_struct *vma, pgoff_t pages);

struct dma_buf *kvmfr_buffer_export(struct kvmfr_device *kdev, u64 offset, u64 size);

#endif
