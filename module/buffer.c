// SPDX-License-Identifier: GPL-2.0-or-later
/* A part of a region as a DMA-BUF: what drivers and programs may do with it. */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "device.h"

/**
 * struct kvmfr_attachment - a driver that uses a DMA-BUF
 * @entry: in the buffer's list
 * @dev: the driver's device
 * @table: the pages as the driver's device sees them, if mapped
 */
struct kvmfr_attachment {
	struct list_head entry;
	struct device *dev;
	struct sg_table *table;
};

static vm_fault_t kvmfr_buffer_fault(struct vm_fault *vmf)
{
	struct kvmfr_buffer *buffer = vmf->vma->vm_private_data;

	return kvmfr_fault_in(buffer->kdev, vmf, buffer->first, buffer->pages);
}

static const struct vm_operations_struct kvmfr_buffer_vm_ops = {
	.fault = kvmfr_buffer_fault,
};

static int kvmfr_buffer_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct kvmfr_buffer *buffer = dmabuf->priv;
	int ret;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	ret = kvmfr_prepare_vma(buffer->kdev, vma, buffer->pages);
	if (ret)
		return ret;
	vma->vm_private_data = buffer;
	vma->vm_ops = &kvmfr_buffer_vm_ops;
	return 0;
}

static int kvmfr_buffer_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attachment)
{
	struct kvmfr_buffer *buffer = dmabuf->priv;
	struct kvmfr_attachment *use;

	use = kzalloc(sizeof(*use), GFP_KERNEL);
	if (!use)
		return -ENOMEM;
	use->dev = attachment->dev;
	attachment->priv = use;
	mutex_lock(&buffer->lock);
	list_add(&use->entry, &buffer->attachments);
	mutex_unlock(&buffer->lock);
	return 0;
}

static void kvmfr_buffer_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attachment)
{
	struct kvmfr_buffer *buffer = dmabuf->priv;
	struct kvmfr_attachment *use = attachment->priv;

	mutex_lock(&buffer->lock);
	list_del(&use->entry);
	mutex_unlock(&buffer->lock);
	kfree(use);
}

/* A list of all pages, to be freed by kvfree(). */
static struct page **kvmfr_buffer_pages(struct kvmfr_buffer *buffer)
{
	struct page **pages = kvmalloc_array(buffer->pages, sizeof(*pages), GFP_KERNEL);
	pgoff_t i;

	if (pages)
		for (i = 0; i < buffer->pages; i++)
			pages[i] = kvmfr_page(buffer->kdev, buffer->first + i);
	return pages;
}

/* A table of all pages, not yet mapped for any device. */
static int kvmfr_buffer_table(struct kvmfr_buffer *buffer, struct device *dev,
			      struct sg_table *table)
{
	struct page **pages = kvmfr_buffer_pages(buffer);
	unsigned long bytes = buffer->pages << PAGE_SHIFT;
	int ret;

	if (!pages)
		return -ENOMEM;
	ret = sg_alloc_table_from_pages_segment(table, pages, buffer->pages, 0, bytes,
						dma_get_max_seg_size(dev), GFP_KERNEL);
	kvfree(pages);
	return ret;
}

static struct sg_table *kvmfr_buffer_map(struct dma_buf_attachment *attachment,
					 enum dma_data_direction direction)
{
	struct kvmfr_buffer *buffer = attachment->dmabuf->priv;
	struct kvmfr_attachment *use = attachment->priv;
	struct sg_table *table;
	int ret;

	table = kzalloc(sizeof(*table), GFP_KERNEL);
	if (!table)
		return ERR_PTR(-ENOMEM);
	ret = kvmfr_use(buffer->kdev);
	if (ret)
		goto free;
	ret = kvmfr_buffer_table(buffer, attachment->dev, table);
	if (ret)
		goto unuse;
	ret = dma_map_sgtable(attachment->dev, table, direction, 0);
	if (ret)
		goto free_table;
	mutex_lock(&buffer->lock);
	use->table = table;
	mutex_unlock(&buffer->lock);
	return table;

free_table:
	sg_free_table(table);
unuse:
	kvmfr_unuse(buffer->kdev);
free:
	kfree(table);
	return ERR_PTR(ret);
}

static void kvmfr_buffer_unmap(struct dma_buf_attachment *attachment, struct sg_table *table,
			       enum dma_data_direction direction)
{
	struct kvmfr_buffer *buffer = attachment->dmabuf->priv;
	struct kvmfr_attachment *use = attachment->priv;

	mutex_lock(&buffer->lock);
	use->table = NULL;
	mutex_unlock(&buffer->lock);
	dma_unmap_sgtable(attachment->dev, table, direction, 0);
	sg_free_table(table);
	kfree(table);
	kvmfr_unuse(buffer->kdev);
}

static int kvmfr_buffer_begin_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction direction)
{
	struct kvmfr_buffer *buffer = dmabuf->priv;
	struct kvmfr_attachment *use;

	mutex_lock(&buffer->lock);
	list_for_each_entry(use, &buffer->attachments, entry)
		if (use->table)
			dma_sync_sgtable_for_cpu(use->dev, use->table, direction);
	mutex_unlock(&buffer->lock);
	return 0;
}

static int kvmfr_buffer_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction direction)
{
	struct kvmfr_buffer *buffer = dmabuf->priv;
	struct kvmfr_attachment *use;

	mutex_lock(&buffer->lock);
	list_for_each_entry(use, &buffer->attachments, entry)
		if (use->table)
			dma_sync_sgtable_for_device(use->dev, use->table, direction);
	mutex_unlock(&buffer->lock);
	return 0;
}

static int kvmfr_buffer_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct kvmfr_buffer *buffer = dmabuf->priv;
	struct kvmfr_device *kdev = buffer->kdev;
	struct page **pages;
	void *address = NULL;
	int ret;

	ret = kvmfr_use(kdev);
	if (ret)
		return ret;
	pages = kvmfr_buffer_pages(buffer);
	if (pages)
		address = vmap(pages, buffer->pages, VM_MAP, kvmfr_pgprot(kdev, PAGE_KERNEL));
	kvfree(pages);
	if (!address) {
		kvmfr_unuse(kdev);
		return -ENOMEM;
	}
	iosys_map_set_vaddr(map, address);
	return 0;
}

static void kvmfr_buffer_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct kvmfr_buffer *buffer = dmabuf->priv;

	vunmap(map->vaddr);
	kvmfr_unuse(buffer->kdev);
}

static void kvmfr_buffer_release(struct dma_buf *dmabuf)
{
	struct kvmfr_buffer *buffer = dmabuf->priv;

	down_write(&buffer->kdev->lock);
	list_del(&buffer->entry);
	up_write(&buffer->kdev->lock);
	if (buffer->inode)
		iput(buffer->inode);
	kvmfr_device_put(buffer->kdev);
	mutex_destroy(&buffer->lock);
	kfree(buffer);
}

static const struct dma_buf_ops kvmfr_buffer_ops = {
	.attach = kvmfr_buffer_attach,
	.detach = kvmfr_buffer_detach,
	.map_dma_buf = kvmfr_buffer_map,
	.unmap_dma_buf = kvmfr_buffer_unmap,
	.begin_cpu_access = kvmfr_buffer_begin_cpu_access,
	.end_cpu_access = kvmfr_buffer_end_cpu_access,
	.mmap = kvmfr_buffer_mmap,
	.vmap = kvmfr_buffer_vmap,
	.vunmap = kvmfr_buffer_vunmap,
	.release = kvmfr_buffer_release,
};

struct dma_buf *kvmfr_buffer_export(struct kvmfr_device *kdev, u64 offset, u64 size)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct kvmfr_buffer *buffer;
	struct dma_buf *dmabuf;
	bool gone;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	buffer->kdev = kdev;
	buffer->first = offset >> PAGE_SHIFT;
	buffer->pages = size >> PAGE_SHIFT;
	INIT_LIST_HEAD(&buffer->entry);
	INIT_LIST_HEAD(&buffer->attachments);
	mutex_init(&buffer->lock);
	info.ops = &kvmfr_buffer_ops;
	info.size = size;
	info.flags = O_RDWR;
	info.priv = buffer;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		mutex_destroy(&buffer->lock);
		kfree(buffer);
		return dmabuf;
	}
	kref_get(&kdev->ref);
	/* The file and its own hold on the inode end before kvmfr_buffer_release(). */
	buffer->inode = file_inode(dmabuf->file);
	ihold(buffer->inode);
	down_write(&kdev->lock);
	gone = kdev->gone;
	if (!gone)
		list_add(&buffer->entry, &kdev->buffers);
	up_write(&kdev->lock);
	if (gone) {
		dma_buf_put(dmabuf);
		return ERR_PTR(-ENODEV);
	}
	return dmabuf;
}
