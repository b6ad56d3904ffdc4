"""Rules about how a run ended.

death  PVH900 to PVH911: why the guest died or did not reach the next stage
end    what these rules ask about the end
"""
