"""The gateway: beats in and answers out by HTTP, for those who shall hold no key to a store. Stateless.

A request passes `serve` (TLS, limits), `authentication` (whose token), `beats` or `queries` (what it may), and a `lane`
(one store's group commit).
"""
