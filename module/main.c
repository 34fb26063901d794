// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Shared memory of a virtual machine, as a character device that makes DMA-BUFs.
 *
 * Outside of the machine, static_size_mb= makes devices of zero-filled memory that a hypervisor
 * maps as the memory of an IVSHMEM device. Inside, the driver binds such devices and hands out the
 * pages of BAR 2.
 *
 * Who holds what: an open file or a DMA-BUF holds the structure of its device; the file operations
 * and the DMA-BUF's owner hold the module. So static devices, which go only with the module, have
 * no users when they do. A PCI device may go at any time: its mappings are taken away (accesses get
 * SIGBUS), everything else fails with ENODEV, and the driver waits for those whose access it cannot
 * take away, which are drivers that have a DMA-BUF mapped.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cdev.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include "device.h"
#include "kvmfr.h"

#define KVMFR_NAME		"kvmfr"
#define KVMFR_MINORS		10
#define KVMFR_BAR		2
/* Pages that one fault maps at most. */
#define KVMFR_AROUND		64UL

static unsigned int static_size_mb[KVMFR_MINORS];
static int static_count;
module_param_array(static_size_mb, uint, &static_count, 0444);
MODULE_PARM_DESC(static_size_mb, "Sizes in MiB of devices that belong to no PCI device, up to 10");

/**
 * struct kvmfr_file - one open file
 * @kdev: its device
 * @entry: in the device's list
 * @mapping: where its mappings are found
 */
struct kvmfr_file {
	struct kvmfr_device *kdev;
	struct list_head entry;
	struct address_space *mapping;
};

static dev_t kvmfr_first;
static struct cdev kvmfr_cdev;
static struct class kvmfr_class = { .name = KVMFR_NAME };
/* Devices by minor; the mutex guards it. */
static DEFINE_IDR(kvmfr_devices);
static DEFINE_MUTEX(kvmfr_devices_lock);

static void kvmfr_device_free(struct kref *ref)
{
	struct kvmfr_device *kdev = container_of(ref, struct kvmfr_device, ref);

	vfree(kdev->memory);
	kfree(kdev);
}

void kvmfr_device_put(struct kvmfr_device *kdev)
{
	kref_put(&kdev->ref, kvmfr_device_free);
}

static struct kvmfr_device *kvmfr_device_get(unsigned int minor)
{
	struct kvmfr_device *kdev;

	mutex_lock(&kvmfr_devices_lock);
	kdev = idr_find(&kvmfr_devices, minor);
	if (kdev)
		kref_get(&kdev->ref);
	mutex_unlock(&kvmfr_devices_lock);
	return kdev;
}

/* One page of the region; the device must not be gone. */
struct page *kvmfr_page(struct kvmfr_device *kdev, pgoff_t index)
{
	if (kdev->memory)
		return vmalloc_to_page(kdev->memory + (index << PAGE_SHIFT));
	return pfn_to_page(PHYS_PFN(kdev->pgmap.range.start) + index);
}

/* The memory of a PCI device is never encrypted for the guest alone, since others read it. */
pgprot_t kvmfr_pgprot(struct kvmfr_device *kdev, pgprot_t prot)
{
	return kdev->memory ? prot : pgprot_decrypted(prot);
}

/* Counts a use of pages that cannot be taken away; fails once they are gone. */
int kvmfr_use(struct kvmfr_device *kdev)
{
	int ret = -ENODEV;

	down_read(&kdev->lock);
	if (!kdev->gone) {
		atomic_inc(&kdev->users);
		ret = 0;
	}
	up_read(&kdev->lock);
	return ret;
}

void kvmfr_unuse(struct kvmfr_device *kdev)
{
	if (atomic_dec_and_test(&kdev->users))
		wake_up(&kdev->idle);
}

/*
 * Maps the page that was accessed, and those around it, of the @pages pages that begin at @first in
 * the region.
 *
 * The pages are inserted here, under the lock, and not by the caller: otherwise one could get in
 * behind the back of kvmfr_device_revoke().
 */
vm_fault_t kvmfr_fault_in(struct kvmfr_device *kdev, struct vm_fault *vmf,
			  pgoff_t first, pgoff_t pages)
{
	struct vm_area_struct *vma = vmf->vma;
	vm_fault_t ret = VM_FAULT_SIGBUS;
	pgoff_t from, to, at;

	if (vmf->pgoff >= pages)
		return ret;
	down_read(&kdev->lock);
	if (kdev->gone)
		goto out;
	ret = vmf_insert_page(vma, vmf->address, kvmfr_page(kdev, first + vmf->pgoff));
	if (ret != VM_FAULT_NOPAGE)
		goto out;
	from = max(round_down(vmf->pgoff, KVMFR_AROUND), vma->vm_pgoff);
	to = round_down(vmf->pgoff, KVMFR_AROUND) + KVMFR_AROUND;
	to = min3(to, vma->vm_pgoff + vma_pages(vma), pages);
	for (at = from; at < to; at++) {
		unsigned long address = vma->vm_start + ((at - vma->vm_pgoff) << PAGE_SHIFT);
		int error = vm_insert_page(vma, address, kvmfr_page(kdev, first + at));

		/* Some are there already, and the others can wait for their own fault. */
		if (error && error != -EBUSY)
			break;
	}
out:
	up_read(&kdev->lock);
	return ret;
}

/* What mappings of both kinds have in common: @pages there are. */
int kvmfr_prepare_vma(struct kvmfr_device *kdev, struct vm_area_struct *vma, pgoff_t pages)
{
	const unsigned long flags = VM_MIXEDMAP | VM_DONTEXPAND | VM_DONTDUMP;

	if (vma->vm_pgoff > pages || vma_pages(vma) > pages - vma->vm_pgoff)
		return -EINVAL;
	if (READ_ONCE(kdev->gone))
		return -ENODEV;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
	vma->vm_page_prot = kvmfr_pgprot(kdev, vma->vm_page_prot);
	return 0;
}

static long kvmfr_ioctl_create(struct file *file, void __user *argument)
{
	struct kvmfr_file *open = file->private_data;
	struct kvmfr_device *kdev = open->kdev;
	struct kvmfr_dmabuf_create create;
	struct dma_buf *dmabuf;
	int fd;

	if (copy_from_user(&create, argument, sizeof(create)))
		return -EFAULT;
	/* Who may only read the device must not get at a buffer that can be written. */
	if ((file->f_mode & (FMODE_READ | FMODE_WRITE)) != (FMODE_READ | FMODE_WRITE))
		return -EACCES;
	if (create.flags & ~KVMFR_DMABUF_FLAG_CLOEXEC)
		return -EINVAL;
	if (!PAGE_ALIGNED(create.offset) || !PAGE_ALIGNED(create.size) || !create.size)
		return -EINVAL;
	if (create.offset > kdev->size || create.size > kdev->size - create.offset)
		return -EINVAL;
	dmabuf = kvmfr_buffer_export(kdev, create.offset, create.size);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	fd = dma_buf_fd(dmabuf, create.flags & KVMFR_DMABUF_FLAG_CLOEXEC ? O_CLOEXEC : 0);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

static long kvmfr_ioctl(struct file *file, unsigned int request, unsigned long argument)
{
	struct kvmfr_file *open = file->private_data;

	if (READ_ONCE(open->kdev->gone))
		return -ENODEV;
	switch (request) {
	case KVMFR_DMABUF_CREATE:
		return kvmfr_ioctl_create(file, (void __user *)argument);
	case KVMFR_DMABUF_GETSIZE:
		/* The kernel hands on no more than an int. */
		return open->kdev->size <= INT_MAX ? open->kdev->size : -EOVERFLOW;
	default:
		return -ENOTTY;
	}
}

static loff_t kvmfr_llseek(struct file *file, loff_t offset, int whence)
{
	struct kvmfr_file *open = file->private_data;

	return fixed_size_llseek(file, offset, whence, open->kdev->size);
}

static vm_fault_t kvmfr_device_fault(struct vm_fault *vmf)
{
	struct kvmfr_device *kdev = vmf->vma->vm_private_data;

	return kvmfr_fault_in(kdev, vmf, 0, kdev->size >> PAGE_SHIFT);
}

static const struct vm_operations_struct kvmfr_device_vm_ops = {
	.fault = kvmfr_device_fault,
};

static int kvmfr_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct kvmfr_file *open = file->private_data;
	struct kvmfr_device *kdev = open->kdev;
	int ret;

	ret = kvmfr_prepare_vma(kdev, vma, kdev->size >> PAGE_SHIFT);
	if (ret)
		return ret;
	/* The mapping holds the file, which holds the device. */
	vma->vm_private_data = kdev;
	vma->vm_ops = &kvmfr_device_vm_ops;
	return 0;
}

static int kvmfr_open(struct inode *inode, struct file *file)
{
	struct kvmfr_file *open;

	open = kzalloc(sizeof(*open), GFP_KERNEL);
	if (!open)
		return -ENOMEM;
	open->kdev = kvmfr_device_get(iminor(inode));
	if (!open->kdev) {
		kfree(open);
		return -EINVAL;
	}
	open->mapping = file->f_mapping;
	file->private_data = open;
	down_write(&open->kdev->lock);
	list_add(&open->entry, &open->kdev->files);
	up_write(&open->kdev->lock);
	return 0;
}

static int kvmfr_release(struct inode *inode, struct file *file)
{
	struct kvmfr_file *open = file->private_data;

	down_write(&open->kdev->lock);
	list_del(&open->entry);
	up_write(&open->kdev->lock);
	kvmfr_device_put(open->kdev);
	kfree(open);
	return 0;
}

static const struct file_operations kvmfr_file_ops = {
	.owner = THIS_MODULE,
	.open = kvmfr_open,
	.release = kvmfr_release,
	.llseek = kvmfr_llseek,
	.mmap = kvmfr_mmap,
	.unlocked_ioctl = kvmfr_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct kvmfr_device *kvmfr_device_new(u64 size)
{
	struct kvmfr_device *kdev = kzalloc(sizeof(*kdev), GFP_KERNEL);

	if (!kdev)
		return NULL;
	kref_init(&kdev->ref);
	kdev->minor = -1;
	kdev->size = size;
	init_rwsem(&kdev->lock);
	INIT_LIST_HEAD(&kdev->files);
	INIT_LIST_HEAD(&kdev->buffers);
	atomic_set(&kdev->users, 0);
	init_waitqueue_head(&kdev->idle);
	return kdev;
}

/* Gives the device the first free minor and shows it to programs. */
static int kvmfr_device_register(struct kvmfr_device *kdev)
{
	struct device *parent = kdev->pdev ? &kdev->pdev->dev : NULL;
	struct device *node;
	int minor;
	dev_t number;

	mutex_lock(&kvmfr_devices_lock);
	minor = idr_alloc(&kvmfr_devices, kdev, 0, KVMFR_MINORS, GFP_KERNEL);
	mutex_unlock(&kvmfr_devices_lock);
	if (minor < 0)
		return minor;
	kdev->minor = minor;
	number = MKDEV(MAJOR(kvmfr_first), minor);
	node = device_create(&kvmfr_class, parent, number, NULL, KVMFR_NAME "%d", minor);
	if (!IS_ERR(node))
		return 0;
	mutex_lock(&kvmfr_devices_lock);
	idr_remove(&kvmfr_devices, minor);
	mutex_unlock(&kvmfr_devices_lock);
	return PTR_ERR(node);
}

static void kvmfr_device_unregister(struct kvmfr_device *kdev)
{
	device_destroy(&kvmfr_class, MKDEV(MAJOR(kvmfr_first), kdev->minor));
	mutex_lock(&kvmfr_devices_lock);
	idr_remove(&kvmfr_devices, kdev->minor);
	mutex_unlock(&kvmfr_devices_lock);
}

/* Takes away the pages from everybody; returns when nobody has any. */
static void kvmfr_device_revoke(struct kvmfr_device *kdev)
{
	pgoff_t pages = kdev->size >> PAGE_SHIFT;
	struct kvmfr_buffer *buffer;
	struct kvmfr_file *open;
	pgoff_t i;

	down_write(&kdev->lock);
	WRITE_ONCE(kdev->gone, true);
	list_for_each_entry(open, &kdev->files, entry)
		unmap_mapping_range(open->mapping, 0, 0, 1);
	list_for_each_entry(buffer, &kdev->buffers, entry)
		unmap_mapping_range(buffer->inode->i_mapping, 0, 0, 1);
	up_write(&kdev->lock);
	/* With a limit only so that the kernel does not take it for hung. */
	while (!wait_event_timeout(kdev->idle, !atomic_read(&kdev->users), 30 * HZ))
		pr_warn("%s%d is gone, but drivers still have DMA-BUFs of it mapped\n", KVMFR_NAME,
			kdev->minor);
	/* Pages that somebody has pinned through a mapping; the last reference is the map's own. */
	for (i = 0; i < pages; i++)
		while (page_count(kvmfr_page(kdev, i)) > 1)
			msleep(20);
}

static int kvmfr_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct kvmfr_device *kdev;
	void *address;
	int ret;

	ret = pci_enable_device_mem(pdev);
	if (ret)
		return ret;
	ret = pci_request_region(pdev, KVMFR_BAR, KVMFR_NAME);
	if (ret)
		goto disable;
	ret = -ENODEV;
	if (!(pci_resource_flags(pdev, KVMFR_BAR) & IORESOURCE_MEM) ||
	    !PAGE_ALIGNED(pci_resource_start(pdev, KVMFR_BAR)) ||
	    !PAGE_ALIGNED(pci_resource_len(pdev, KVMFR_BAR)))
		goto release;
	ret = -ENOMEM;
	kdev = kvmfr_device_new(pci_resource_len(pdev, KVMFR_BAR));
	if (!kdev)
		goto release;
	kdev->pdev = pdev;
	kdev->pgmap.type = MEMORY_DEVICE_GENERIC;
	kdev->pgmap.nr_range = 1;
	kdev->pgmap.range.start = pci_resource_start(pdev, KVMFR_BAR);
	kdev->pgmap.range.end = pci_resource_end(pdev, KVMFR_BAR);
	address = memremap_pages(&kdev->pgmap, dev_to_node(&pdev->dev));
	if (IS_ERR(address)) {
		ret = PTR_ERR(address);
		dev_err(&pdev->dev, "no pages for the shared memory: %d\n", ret);
		goto put;
	}
	ret = kvmfr_device_register(kdev);
	if (ret)
		goto unmap;
	pci_set_drvdata(pdev, kdev);
	dev_info(&pdev->dev, "%s%d: %llu MiB\n", KVMFR_NAME, kdev->minor, kdev->size >> 20);
	return 0;

unmap:
	memunmap_pages(&kdev->pgmap);
put:
	kvmfr_device_put(kdev);
release:
	pci_release_region(pdev, KVMFR_BAR);
disable:
	pci_disable_device(pdev);
	return ret;
}

static void kvmfr_pci_remove(struct pci_dev *pdev)
{
	struct kvmfr_device *kdev = pci_get_drvdata(pdev);

	kvmfr_device_unregister(kdev);
	kvmfr_device_revoke(kdev);
	memunmap_pages(&kdev->pgmap);
	kvmfr_device_put(kdev);
	pci_release_region(pdev, KVMFR_BAR);
	pci_disable_device(pdev);
}

static const struct pci_device_id kvmfr_pci_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, 0x1110) },
	{}
};
MODULE_DEVICE_TABLE(pci, kvmfr_pci_ids);

static struct pci_driver kvmfr_pci_driver = {
	.name = KVMFR_NAME,
	.id_table = kvmfr_pci_ids,
	.probe = kvmfr_pci_probe,
	.remove = kvmfr_pci_remove,
};

static int kvmfr_static_add(unsigned int mib)
{
	struct kvmfr_device *kdev;
	int ret;

	if (!mib) {
		pr_err("a size in static_size_mb is 0\n");
		return -EINVAL;
	}
	/* Asked for more, the kernel would print more than a line. */
	if (((u64)mib << 20 >> PAGE_SHIFT) > totalram_pages()) {
		pr_err("%u MiB of static_size_mb are more than this machine has\n", mib);
		return -ENOMEM;
	}
	kdev = kvmfr_device_new((u64)mib << 20);
	if (!kdev)
		return -ENOMEM;
	ret = -ENOMEM;
	kdev->memory = vmalloc_user(kdev->size);
	if (kdev->memory)
		ret = kvmfr_device_register(kdev);
	if (ret)
		kvmfr_device_put(kdev);
	return ret;
}

/* Only static devices are left when this is called, and nobody has one open. */
static void kvmfr_static_remove_all(void)
{
	struct kvmfr_device *kdev;
	int minor;

	idr_for_each_entry(&kvmfr_devices, kdev, minor) {
		kvmfr_device_unregister(kdev);
		kvmfr_device_put(kdev);
	}
	idr_destroy(&kvmfr_devices);
}

static int __init kvmfr_init(void)
{
	int ret, i;

	ret = alloc_chrdev_region(&kvmfr_first, 0, KVMFR_MINORS, KVMFR_NAME);
	if (ret)
		return ret;
	ret = class_register(&kvmfr_class);
	if (ret)
		goto region;
	cdev_init(&kvmfr_cdev, &kvmfr_file_ops);
	kvmfr_cdev.owner = THIS_MODULE;
	ret = cdev_add(&kvmfr_cdev, kvmfr_first, KVMFR_MINORS);
	if (ret)
		goto class;
	for (i = 0; i < static_count; i++) {
		ret = kvmfr_static_add(static_size_mb[i]);
		if (ret)
			goto statics;
	}
	ret = pci_register_driver(&kvmfr_pci_driver);
	if (ret)
		goto statics;
	return 0;

statics:
	kvmfr_static_remove_all();
	cdev_del(&kvmfr_cdev);
class:
	class_unregister(&kvmfr_class);
region:
	unregister_chrdev_region(kvmfr_first, KVMFR_MINORS);
	return ret;
}
module_init(kvmfr_init);

static void __exit kvmfr_exit(void)
{
	pci_unregister_driver(&kvmfr_pci_driver);
	kvmfr_static_remove_all();
	cdev_del(&kvmfr_cdev);
	class_unregister(&kvmfr_class);
	unregister_chrdev_region(kvmfr_first, KVMFR_MINORS);
}
module_exit(kvmfr_exit);

MODULE_DESCRIPTION("Shared memory of a virtual machine, with DMA-BUFs");
MODULE_AUTHOR("The Looking Glass in Rust project");
MODULE_LICENSE("GPL");
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
MODULE_IMPORT_NS("DMA_BUF");
#else
MODULE_IMPORT_NS(DMA_BUF);
#endif
MODULE_VERSION("0.1.0");
