"""PyTorch: autograd, and Adam in place with the multi-tensor operations of torch.optim."""

import torch
from workload import BETA1, BETA2, EPS, LR, D, arguments, data, measure

n, T = arguments()
xs, ys = (torch.from_numpy(a) for a in data())
torch.manual_seed(0)
P = [torch.randn(n, D), torch.randn(n, n), torch.randn(n, n), torch.randn(n)]
P[1] *= n**-0.5
P[2] *= n**-0.5
for p in P:
    p.requires_grad_(True)
first = [torch.zeros_like(p) for p in P]
second = [torch.zeros_like(p) for p in P]


def forward():
    U, A, B, v = P
    return v @ torch.tanh(B @ torch.tanh(A @ torch.tanh(U @ xs))) / n


def step(t):
    if t == T:
        with torch.no_grad():
            return forward()
    f = forward()
    loss = ((f - ys) ** 2).mean() / 2
    gradients = torch.autograd.grad(n * loss, P)
    c1, c2 = 1 - BETA1 ** (t + 1), 1 - BETA2 ** (t + 1)
    with torch.no_grad():
        for p, m, v, g, rate in zip(P, first, second, gradients, [LR, LR / n, LR / n, LR]):
            m.mul_(BETA1).add_(g, alpha=1 - BETA1)
            v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
            root = (v / c2).add_(EPS**2).sqrt_()
            p.addcdiv_(m, root, value=-rate / c1)
    return f.detach()


measure(f"torch {torch.__version__}", step, T)
