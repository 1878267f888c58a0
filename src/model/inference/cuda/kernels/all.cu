// Every kernel, for a model of WIDTH numbers a token and SLOTS tokens a star at most, whose encoder has heads of
// FIRST_HEAD and SECOND_HEAD numbers.
#include "device.cuh"
#include "numbers.cuh"
#include "tile.cuh"
#include "embed.cu"
#include "dense.cu"
#include "feed_forward.cu"
#include "attention.cu"
#include "attend_requests.cu"
