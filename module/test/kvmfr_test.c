// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A driver that uses other drivers' DMA-BUFs, for the tests of kvmfr. Never load it on a machine
 * that matters.
 *
 * Commands are written to /dev/kvmfr_test as text, and fail as what they stand for fails; what is
 * looked up is read back.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/iosys-map.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/uaccess.h>
#include <linux/version.h>

static struct platform_device *user;
static DEFINE_MUTEX(lock);
static struct dma_buf *buffer;
static struct dma_buf_attachment *attachment;
static struct sg_table *table;
static struct iosys_map memory;
static u64 value;

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define dma_buf_map_attachment_unlocked dma_buf_map_attachment
#define dma_buf_unmap_attachment_unlocked dma_buf_unmap_attachment
#define dma_buf_vmap_unlocked dma_buf_vmap
#define dma_buf_vunmap_unlocked dma_buf_vunmap
#endif

static int attach(int fd)
{
	if (buffer)
		return -EBUSY;
	buffer = dma_buf_get(fd);
	if (IS_ERR(buffer)) {
		int ret = PTR_ERR(buffer);

		buffer = NULL;
		return ret;
	}
	attachment = dma_buf_attach(buffer, &user->dev);
	if (IS_ERR(attachment)) {
		int ret = PTR_ERR(attachment);

		dma_buf_put(buffer);
		buffer = NULL;
		attachment = NULL;
		return ret;
	}
	return 0;
}

static int map(void)
{
	struct scatterlist *entry;
	u64 bytes = 0;
	int i;

	if (!attachment || table)
		return -EBUSY;
	table = dma_buf_map_attachment_unlocked(attachment, DMA_BIDIRECTIONAL);
	if (IS_ERR(table)) {
		int ret = PTR_ERR(table);

		table = NULL;
		return ret;
	}
	for_each_sgtable_dma_sg(table, entry, i)
		bytes += sg_dma_len(entry);
	return bytes == buffer->size ? 0 : -EIO;
}

static void unmap(void)
{
	if (table)
		dma_buf_unmap_attachment_unlocked(attachment, table, DMA_BIDIRECTIONAL);
	table = NULL;
}

static int map_memory(void)
{
	if (!buffer || !iosys_map_is_null(&memory))
		return -EBUSY;
	return dma_buf_vmap_unlocked(buffer, &memory);
}

static void unmap_memory(void)
{
	if (!iosys_map_is_null(&memory))
		dma_buf_vunmap_unlocked(buffer, &memory);
	iosys_map_clear(&memory);
}

static void detach(void)
{
	unmap();
	unmap_memory();
	if (buffer) {
		dma_buf_detach(buffer, attachment);
		dma_buf_put(buffer);
	}
	attachment = NULL;
	buffer = NULL;
}

static int look(u64 offset)
{
	if (!table)
		return -ENXIO;
	if (sg_pcopy_to_buffer(table->sgl, table->orig_nents, &value, 8, offset) != 8)
		return -ERANGE;
	return 0;
}

static int command(const char *text)
{
	u64 offset, word;
	int fd;

	if (sscanf(text, "attach %d", &fd) == 1)
		return attach(fd);
	if (!strcmp(text, "map"))
		return map();
	if (!strcmp(text, "vmap"))
		return map_memory();
	if (!strcmp(text, "unmap")) {
		unmap();
		return 0;
	}
	if (!strcmp(text, "vunmap")) {
		unmap_memory();
		return 0;
	}
	if (!strcmp(text, "detach")) {
		detach();
		return 0;
	}
	if (sscanf(text, "look %llu", &offset) == 1)
		return look(offset);
	if (iosys_map_is_null(&memory))
		return -ENXIO;
	if (sscanf(text, "peek %llu", &offset) == 1 && offset <= buffer->size - 8) {
		iosys_map_memcpy_from(&value, &memory, offset, 8);
		return 0;
	}
	if (sscanf(text, "poke %llu %llu", &offset, &word) == 2 && offset <= buffer->size - 8) {
		iosys_map_memcpy_to(&memory, offset, &word, 8);
		return 0;
	}
	return -ERANGE;
}

static ssize_t test_write(struct file *file, const char __user *text, size_t len, loff_t *position)
{
	char line[64] = "";
	int ret;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, text, len))
		return -EFAULT;
	mutex_lock(&lock);
	ret = command(line);
	mutex_unlock(&lock);
	return ret ? ret : len;
}

static ssize_t test_read(struct file *file, char __user *text, size_t len, loff_t *position)
{
	if (len < sizeof(value))
		return -EINVAL;
	return copy_to_user(text, &value, sizeof(value)) ? -EFAULT : sizeof(value);
}

static int test_release(struct inode *inode, struct file *file)
{
	mutex_lock(&lock);
	detach();
	mutex_unlock(&lock);
	return 0;
}

static const struct file_operations test_ops = {
	.owner = THIS_MODULE,
	.read = test_read,
	.write = test_write,
	.release = test_release,
};

static struct miscdevice test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kvmfr_test",
	.fops = &test_ops,
};

static int __init test_init(void)
{
	int ret;

	user = platform_device_register_simple("kvmfr_test", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(user))
		return PTR_ERR(user);
	ret = dma_coerce_mask_and_coherent(&user->dev, DMA_BIT_MASK(64));
	if (!ret)
		ret = misc_register(&test_device);
	if (ret)
		platform_device_unregister(user);
	return ret;
}
module_init(test_init);

static void __exit test_exit(void)
{
	misc_deregister(&test_device);
	platform_device_unregister(user);
}
module_exit(test_exit);

MODULE_DESCRIPTION("User of DMA-BUFs for the tests of kvmfr");
MODULE_LICENSE("GPL");
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
MODULE_IMPORT_NS("DMA_BUF");
#else
MODULE_IMPORT_NS(DMA_BUF);
#endif
