"""Data-parallel training in the processes that torch.distributed has started."""
