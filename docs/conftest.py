"""One torch thread for the examples of these pages."""

import torch

torch.set_num_threads(1)

collect_ignore_glob = ["_build/*", "generated/*", "conf.py", "_ext/*"]
