# One front door. `make help` lists the targets.
#
# Every .c under layers/ and src/ is part of the program: a new file needs no line here.
#   *_avx2.c, *_avx512.c   compiled for that instruction set, chosen at run time
#   *_onednn.c             only with DNNL=1      *_opencv.cpp   only with OPENCV=1
#   *_stb.c                only with OPENCV=0
#   *.cu                   only with GPU=1: machine code for every GPU, embedded; *_cuda.c starts it
# The net core is compiled a second time with tn_real = double: gradient checks run on that one.

MAKEFLAGS += --no-print-directory
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
CC ?= gcc
CXX ?= g++
BUILD ?= build
PREFIX ?= /usr/local

has = $(shell pkg-config --exists $(1) 2>/dev/null && echo 1 || echo 0)
header = $(shell printf '\#include <$(1)>\n' | $(CC) -E -x c - >/dev/null 2>&1 && echo 1 || echo 0)
DNNL   ?= $(call header,dnnl.h)
# Debian's libopencv-dev has the .pc file; the five module packages that are needed do not.
OPENCV_INCLUDE := $(firstword $(wildcard /usr/include/opencv4 /usr/local/include/opencv4))
OPENCV ?= $(if $(wildcard $(OPENCV_INCLUDE)/opencv2/photo.hpp),1,$(call has,opencv4))
OPENMP ?= 1
# nvcc is all that GPU=1 needs to build; driver, cuDNN and cuBLAS are opened at run time, by those
# who have a GPU. CUDNN=0 leaves out the kernels that call cuDNN.
NVCC ?= $(firstword $(shell command -v nvcc 2>/dev/null) $(wildcard /usr/local/cuda/bin/nvcc /usr/bin/nvcc))
GPU  ?= $(if $(NVCC),1,0)
CUDNN ?= $(GPU)
ifeq ($(GPU)$(if $(NVCC),1,0),10)
$(error GPU=1 needs nvcc (CUDA 13's compiler): put it on PATH or name it, make GPU=1 NVCC=FILE)
endif
WERROR ?= 0
SAN    ?=
# Looked for once, not once a file.
DNNL   := $(DNNL)
OPENCV := $(OPENCV)
LIBRARY_FLAGS := $(shell pkg-config --cflags libxml-2.0 libcjson 2>/dev/null)
LIBRARIES := $(shell pkg-config --libs libxml-2.0 libcjson 2>/dev/null)

CPPFLAGS += -I. -D_GNU_SOURCE -DTN_DNNL=$(DNNL) -DTN_OPENCV=$(OPENCV) -DTN_GPU=$(GPU) -DTN_CUDNN=$(CUDNN)
WARN := -Wall -Wextra -Wshadow -Wvla -Wno-missing-field-initializers
ifeq ($(WERROR),1)
WARN += -Werror
endif
OPT ?= -O3 -g -fno-math-errno -fno-trapping-math -ffp-contract=off
CFLAGS += -std=c17 $(OPT) $(WARN) -Wstrict-prototypes -fvisibility=hidden -fPIC $(SAN)
CXXFLAGS += -std=c++17 $(OPT) $(WARN) -fvisibility=hidden -fPIC $(SAN)
LDFLAGS += $(SAN) -Wl,--as-needed
LDLIBS += -lm -lpthread -ldl

ifeq ($(OPENMP),1)
CFLAGS += -fopenmp
LDFLAGS += -fopenmp
else
CFLAGS += -Wno-unknown-pragmas
endif

CPPFLAGS += $(LIBRARY_FLAGS)
LDLIBS += $(LIBRARIES)
ifeq ($(DNNL),1)
LDLIBS += -ldnnl
endif
ifeq ($(OPENCV),1)
OPENCV_FLAGS := $(shell pkg-config --cflags opencv4 2>/dev/null || echo -isystem $(OPENCV_INCLUDE))
CXXFLAGS += $(OPENCV_FLAGS)
LDLIBS += -lopencv_photo -lopencv_videoio -lopencv_imgcodecs -lopencv_imgproc -lopencv_core -lstdc++
endif

SOURCES := $(sort $(shell find layers src -name '*.c' -not -name main.c -not -path 'src/plugin/*'))
CXXSOURCES := $(sort $(shell find layers src -name '*_opencv.cpp'))
ifneq ($(DNNL),1)
SOURCES := $(filter-out %_onednn.c,$(SOURCES))
endif
ifeq ($(OPENCV),1)
SOURCES := $(filter-out %_stb.c,$(SOURCES))
else
CXXSOURCES :=
endif

CUDA_SOURCES := $(if $(filter 1,$(GPU)),$(sort $(shell find layers src -name '*.cu')))

OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o) $(CXXSOURCES:%.cpp=$(BUILD)/%.o) $(CUDA_SOURCES:%.cu=$(BUILD)/%.cu.o)
LIB := $(BUILD)/libtn.a
# The double build: reference kernels and the net core, nothing that knows float alone.
DOUBLE_SOURCES := $(filter-out %_avx2.c %_avx512.c %_onednn.c %_cuda.c %_cudnn.c %_cublas.c,$(filter layers/% src/net/%,$(SOURCES)))
DOUBLE_OBJECTS := $(DOUBLE_SOURCES:%.c=$(BUILD)/double/%.o)
DOUBLE_LIB := $(BUILD)/libtn_double.a

UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c tests/ops/test_*.c))
GRAD_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/grad/test_*.c))
TEST_SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
DOUBLE_SUPPORT := $(TEST_SUPPORT:$(BUILD)/%=$(BUILD)/double/%)
# Every .cu file as C++: what tests run on the processor, with or without nvcc.
EMULATED := $(patsubst %.cu,$(BUILD)/emulated/%.o,$(sort $(shell find layers src -name '*.cu')))
TEST_SUPPORT += $(EMULATED)
TEST_TOOLS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/tools/*.c))
# Each fuzz target is built twice: replaying its corpus, for the tests, and searching, for `make fuzz`.
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_REPLAYS := $(FUZZ_NAMES:%=$(BUILD)/tests/fuzz/replay_%)
FUZZERS := $(FUZZ_NAMES:%=$(BUILD)/tests/fuzz/search_%)

.PHONY: all help setup demo test test-build check bench lint format asan install clean config
all: config darknet

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t16

config:
	@scripts/need.sh
	@echo "OPENCV=$(OPENCV) DNNL=$(DNNL) OPENMP=$(OPENMP)" \
	"GPU=$(GPU)$(if $(NVCC),, (no nvcc: the CUDA code is not compiled))$(if $(filter 1,$(GPU)), CUDNN=$(CUDNN))"

darknet: $(BUILD)/src/main.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# ---- the plugin: the same layers inside a real libdarknet.so ----
DARKNET ?= /usr/lib/darknet
DARKNET_PATH := $(abspath $(DARKNET))
# The two hosts' headers tell themselves apart: only the fork hands a network_state to its layers.
PLUGIN_HOST = $(if $(shell grep -l 'struct network_state' $(DARKNET_PATH)/include/darknet.h 2>/dev/null),alexeyab,debian)
PLUGIN ?= darknet-plugin
# Of the two hosts' files, those of this one.
PLUGIN_SOURCES = $(filter-out src/plugin/host_%.c,$(wildcard src/plugin/*.c)) $(wildcard src/plugin/host_$(PLUGIN_HOST)*.c)
PLUGIN_OBJECTS = $(patsubst %.c,$(BUILD)/plugin_$(PLUGIN_HOST)/%.o,$(filter-out src/plugin/main.c,$(PLUGIN_SOURCES)))
# A library built for GPUs needs the driver's, which may not be where the plugin is built.
PLUGIN_LIBS = -L$(DARKNET_PATH) -ldarknet -Wl,-rpath,$(DARKNET_PATH) -Wl,-z,lazy -Wl,--allow-shlib-undefined
.PHONY: plugin plugin-host
plugin: plugin-host ## ./darknet-plugin for the Darknet built in DARKNET=DIR (default: Debian's package)
	@$(MAKE) $(PLUGIN)
plugin-host:
	@for f in libdarknet.so include/darknet.h; do [ -e $(DARKNET_PATH)/$$f ] || { echo "$(DARKNET_PATH) has no $$f:" \
	"build that Darknet with LIBSO=1, or install Debian's package darknet (make setup), and name it: make plugin DARKNET=DIR" >&2; exit 1; }; done
$(BUILD)/plugin_$(PLUGIN_HOST)/host: force
	@mkdir -p $(@D)
	@echo '$(DARKNET_PATH) $(PLUGIN_HOST)' | cmp -s - $@ || echo '$(DARKNET_PATH) $(PLUGIN_HOST)' >$@
$(BUILD)/plugin_$(PLUGIN_HOST)/%.o: %.c $(BUILD)/flags $(BUILD)/plugin_$(PLUGIN_HOST)/host $(wildcard $(DARKNET_PATH)/include/darknet.h)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) -isystem $(DARKNET_PATH)/include $(CFLAGS) -MMD -MP -c -o $@ $<
# Which host the program was linked for last: its other host's objects may all be older than it.
PLUGIN_LINKED = $(BUILD)/linked/$(subst /,_,$(PLUGIN))
$(PLUGIN_LINKED): force
	@mkdir -p $(@D)
	@echo '$(DARKNET_PATH) $(PLUGIN_HOST)' | cmp -s - $@ || echo '$(DARKNET_PATH) $(PLUGIN_HOST)' >$@
$(PLUGIN): $(BUILD)/plugin_$(PLUGIN_HOST)/src/plugin/main.o $(PLUGIN_OBJECTS) $(LIB) $(wildcard $(DARKNET_PATH)/libdarknet.so) $(PLUGIN_LINKED)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(PLUGIN_LIBS) $(LDLIBS)
# One test program of the plugin, with the host that it was built for.
$(BUILD)/plugin_$(PLUGIN_HOST)/test_%: tests/plugin/test_%.c $(PLUGIN_OBJECTS) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(PLUGIN_OBJECTS) $(LIB) -lcmocka $(PLUGIN_LIBS) $(LDLIBS)
# A library built for GPUs on an emulated one: what stands for CUDA must be seen by it.
PLUGIN_GPU_TEST := $(BUILD)/tests/plugin/fake_cuda.o $(TEST_SUPPORT)
$(BUILD)/plugin_$(PLUGIN_HOST)/test_gpu: $(PLUGIN_GPU_TEST)
$(BUILD)/plugin_$(PLUGIN_HOST)/test_gpu: private LDLIBS := -rdynamic $(PLUGIN_GPU_TEST) $(LIB) -lcmocka $(LDLIBS)

$(LIB): $(OBJECTS)
	@rm -f $@
	@ar rcs $@ $^
$(DOUBLE_LIB): $(DOUBLE_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

ISA = $(if $(findstring _bf16_avx512,$(1)),-mavx512bf16) $(if $(findstring _avx512,$(1)),-mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma,$(if $(findstring _avx2,$(1)),-mavx2 -mfma))
# V=1 shows the commands.
Q := $(if $(V),,@)
say = @$(if $(V),:,printf '  %-5s %s\n' $(1) $(2))
# What was built with other libraries or flags is built again: `make`, then `make setup`, then `make`.
BUILT_WITH = $(CC) $(CXX) $(CPPFLAGS) $(OPT) $(SAN) OPENMP=$(OPENMP)
.PHONY: force
$(BUILD)/flags: force
	@mkdir -p $(@D)
	@echo '$(BUILT_WITH)' | cmp -s - $@ || echo '$(BUILT_WITH)' >$@
$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(call ISA,$<) -MMD -MP -c -o $@ $<
$(BUILD)/%.o: %.cpp $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/double/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,"$< (double)")
	$(Q)$(CC) $(CPPFLAGS) -DTN_REAL_DOUBLE -UTN_DNNL -DTN_DNNL=0 $(CFLAGS) -MMD -MP -c -o $@ $<

# One .cu file: machine code for every GPU from Turing to Blackwell, PTX for what comes after, put
# into the program as it is (TN_GPU_SOURCE in layers/device/gpu.h).
CUDA_ARCHS ?= 75 80 86 89 90 100 120
NVCC_FLAGS ?= -O3 -std=c++17 -lineinfo -Xcompiler -Wall -Xfatbin -compress-all
CUDA_CODE = $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$(a),code=sm_$(a)) \
	$(foreach a,$(lastword $(CUDA_ARCHS)),-gencode arch=compute_$(a),code=compute_$(a))
# Our declarations of CUDA's functions are held against its headers where there are any.
$(BUILD)/layers/device/gpu_abi.o: CPPFLAGS += $(if $(NVCC),-isystem $(wildcard $(dir $(NVCC))../include))
# Every build folder takes the same ones: nvcc takes longer than all the rest.
FATBINS := build/cuda
NVCC_BUILT_WITH = $(NVCC) $(NVCC_FLAGS) $(CUDA_CODE)
$(FATBINS)/flags: force
	@mkdir -p $(@D)
	@echo '$(NVCC_BUILT_WITH)' | cmp -s - $@ || echo '$(NVCC_BUILT_WITH)' >$@
$(FATBINS)/%.fatbin: %.cu $(FATBINS)/flags
	@mkdir -p $(@D)
	$(call say,NVCC,$<)
	$(Q)$(NVCC) -I. $(NVCC_FLAGS) $(CUDA_CODE) -MD -MP -MF $@.d -MT $@ -fatbin -o $@ $<
$(BUILD)/%.cu.o: $(FATBINS)/%.fatbin
	@mkdir -p $(@D)
	$(Q)n=tn_fatbin_$(notdir $*); printf '.section .rodata\n.balign 64\n.globl %s\n.hidden %s\n%s: .incbin "%s"\n1: .balign 8\n.globl %s_bytes\n.hidden %s_bytes\n%s_bytes: .quad 1b - %s\n.section .note.GNU-stack,"",@progbits\n' \
	$$n $$n $$n $< $$n $$n $$n $$n | $(CC) -c -x assembler -o $@ -

$(BUILD)/emulated/%.o: %.cu $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CXX,"$< (emulated)")
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) -fno-exceptions -fno-rtti \
		-Wno-unused-function -Wno-unknown-pragmas -DTN_EMULATE \
		-include tests/support/emulate.h -MMD -MP -c -o $@ -x c++ $<

$(BUILD)/tests/grad/%: tests/grad/%.c $(DOUBLE_SUPPORT) $(DOUBLE_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) -DTN_REAL_DOUBLE $(CFLAGS) $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(DOUBLE_SUPPORT) $(DOUBLE_LIB) -lcmocka -lm
$(BUILD)/tests/tools/%: tests/tools/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(LIB) $(LDLIBS)
FUZZ_CC = $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -MF $@.d
$(BUILD)/tests/fuzz/replay_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(FUZZ_CC) -DTN_FUZZ_NAME='"$*"' -o $@ $< tests/fuzz/replay.c $(LIB) -lcmocka $(LDLIBS)
$(BUILD)/tests/fuzz/search_%: tests/fuzz/fuzz_%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer -o $@ $< $(LIB) $(LDLIBS)
# What of the plugin knows no host.
GRAFT_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard src/plugin/graft*.c) $(addprefix src/plugin/,foreign.c memory_file.c mends.c))
$(BUILD)/tests/unit/test_graft_gpu: $(GRAFT_OBJECTS)
$(BUILD)/tests/unit/test_graft_gpu: private LDLIBS := $(GRAFT_OBJECTS) $(LIB) $(LDLIBS)
$(BUILD)/tests/%: tests/%.c $(TEST_SUPPORT) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(TEST_SUPPORT) $(LIB) -lcmocka $(LDLIBS)
.SECONDARY: $(TEST_SUPPORT) $(DOUBLE_SUPPORT) $(CUDA_SOURCES:%.cu=$(FATBINS)/%.fatbin)

# What these install is there for a second make only, which looks for it anew.
PARALLEL = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
setup: ## install what is missing through apt (root or sudo)
	@scripts/setup.sh
demo: ## sample data, a small net trained, validated and used: a minute or two
	@scripts/setup.sh build
	@mkdir -p build && $(MAKE) $(PARALLEL) darknet >build/make.log 2>&1 || { tail -40 build/make.log; exit 1; }
	@scripts/demo.sh
test: setup ## install what is missing, build, run every test, plain and under sanitizers
	@$(MAKE) $(PARALLEL) WERROR=1 check-all
test-build: darknet $(TEST_TOOLS) $(UNIT_TESTS) $(GRAD_TESTS)
check: test-build ## run every test as it is built (nothing is installed)
	@tests/run.sh $(UNIT_TESTS) $(GRAD_TESTS)
.PHONY: check-all
check-all: test-build
	@$(MAKE) $(ASAN) asan-build
	@tests/run.sh $(UNIT_TESTS) $(GRAD_TESTS) $(ASAN_TESTS)
# Needs a C compiler and nvcc alone: no OpenCV, oneDNN, libxml2 or cJSON; where cmocka is installed,
# the kernels' tests join in.
CORE_SOURCES := $(filter-out src/net/summary%.c,$(filter layers/% src/net/%,$(SOURCES)))
CORE_LIB := $(BUILD)/libtn_core.a
$(CORE_LIB): $(CORE_SOURCES:%.c=$(BUILD)/%.o) $(CUDA_SOURCES:%.cu=$(BUILD)/%.cu.o)
	@rm -f $@
	@ar rcs $@ $^
EMULATION := $(addprefix $(BUILD)/tests/support/,fake_gpu.o fake_cublas.o fake_cudnn.o fake_product.o emulate.o) $(EMULATED)
DEVICE_PARTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/device/device_*.c))
$(BUILD)/tests/device/test_device_nets: tests/device/test_device_nets.c $(DEVICE_PARTS) $(EMULATION) $(CORE_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(DEVICE_PARTS) $(EMULATION) $(CORE_LIB) $(if $(filter 1,$(DNNL)),-ldnnl) -lm -lpthread -ldl
.PHONY: gpu-test gpu-test-run
gpu-test: ## every net on the GPU against the processor; says what is skipped where there is none
	@$(MAKE) $(PARALLEL) BUILD=build/gpu OPENCV=0 DNNL=0 gpu-test-run
# The op tests with the net core alone; test_torch_nets wants other programs besides.
DEVICE_TESTS := $(patsubst tests/ops/%.c,$(BUILD)/tests/device/ops/%,$(filter-out %/test_torch_nets.c,$(wildcard tests/ops/*.c)))
DEVICE_SUPPORT := $(filter-out %/peers.o %/torch_parity.o,$(TEST_SUPPORT))
$(BUILD)/tests/device/ops/%: tests/ops/%.c $(DEVICE_SUPPORT) $(CORE_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(DEVICE_SUPPORT) $(CORE_LIB) $(if $(filter 1,$(DNNL)),-ldnnl) -lcmocka -lm -lpthread -ldl
gpu-test-run: $(BUILD)/tests/device/test_device_nets $(if $(filter 1,$(call header,cmocka.h)),$(DEVICE_TESTS))
	@scripts/gpu_test.sh $^
bench: darknet ## speed as ratios to peers measured in the same run
	@scripts/bench.sh
fuzz-kernels: test-build ## every kernel against its reference on SHAPES (20) times as many shapes, new ones each time
	@scripts/fuzz_kernels.sh $(filter $(addprefix %/test_,convolution dropout inner_product norm_act pool),$(UNIT_TESTS))
lint: ## clang-tidy, cppcheck, and the rule that layers/ knows no src/
	@scripts/setup.sh build lint
	@$(MAKE) -s $(PARALLEL) $(LIB) compile_commands.json
	@DARKNET=$(DARKNET_PATH) scripts/lint.sh $(SOURCES) $(PLUGIN_SOURCES)
format: ## clang-format in place
	@clang-format -i $$(git ls-files '*.c' '*.h' '*.cpp' '*.cu' '*.cuh')
# Whole nets in double are too slow there and touch nothing that the op tests do not.
ASAN = BUILD=build/asan SAN="-fsanitize=address,undefined -fno-sanitize-recover=undefined" OPT="-O1 -g"
ASAN_NAMES := $(filter-out %/test_torch_nets,$(UNIT_TESTS) $(GRAD_TESTS))
ASAN_NAMES += $(FUZZ_REPLAYS)
ASAN_TESTS := $(ASAN_NAMES:$(BUILD)/%=build/asan/%)
.PHONY: asan-build
asan-build: $(ASAN_NAMES)
asan: ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) $(PARALLEL) $(ASAN) asan-build
	@NO_SCRIPTS=1 tests/run.sh $(ASAN_TESTS)
FUZZ_FLAGS = BUILD=build/fuzz CC=clang CXX=clang++ OPENMP=0 OPT="-O1 -g" \
	SAN="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined"
FUZZ_SECONDS ?= 30
.PHONY: fuzz fuzz-build fuzz-kernels
fuzz-build: $(FUZZERS)
fuzz: ## search for input that breaks a reader, FUZZ_SECONDS (30) each, with clang's libFuzzer
	@scripts/setup.sh build fuzz
	@$(MAKE) $(PARALLEL) $(FUZZ_FLAGS) fuzz-build
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz.sh $(FUZZ_NAMES)
install: darknet ## ./darknet to $(PREFIX)/bin
	install -D -m 755 darknet $(DESTDIR)$(PREFIX)/bin/darknet
compile_commands.json: Makefile
	@scripts/compile_commands.sh "$(CC) $(CPPFLAGS) -isystem $(DARKNET_PATH)/include $(CFLAGS)" $(SOURCES) \
		$(PLUGIN_SOURCES) > $@.new && mv $@.new $@
clean: ## remove what was built
	rm -rf build darknet darknet-plugin compile_commands.json

-include $(shell find $(BUILD) $(filter-out $(BUILD)/%,$(FATBINS)) -name '*.d' 2>/dev/null)
