// Every kernel, for a model with WIDTH numbers per token and at most SLOTS tokens per star, whose encoder has heads of
// FIRST_HEAD and SECOND_HEAD numbers.
#include "device.cuh"
#include "numbers.cuh"
#include "tile.cuh"
#include "embed.cu"
#include "dense.cu"
#include "feed_forward.cu"
#include "attention.cu"
#include "attend_requests.cu"
