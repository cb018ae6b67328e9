# shellcheck shell=bash
# To be sourced: the environment of a cross build for aarch64 with the sysroot of sysroot.sh. Cargo is this machine's own;
# rustc is Debian's, because Debian also packages its arm64 standard library.
LINTEL_CROSS=${LINTEL_CROSS:-${XDG_CACHE_HOME:-$HOME/.cache}/lintel/cross-arm64}
LINTEL_TARGET=aarch64-unknown-linux-gnu
_root=$LINTEL_CROSS/sysroot
_libraries=$_root/usr/lib/aarch64-linux-gnu

# rustc is unpacked, not installed, so the loader does not find its LLVM. The wrapper sets the path for rustc alone.
cat >"$LINTEL_CROSS/rustc" <<WRAPPER
#!/bin/sh
LD_LIBRARY_PATH=$LINTEL_CROSS/rust/usr/lib/x86_64-linux-gnu exec $LINTEL_CROSS/rust/usr/bin/rustc "\$@"
WRAPPER
chmod +x "$LINTEL_CROSS/rustc"
export LINTEL_CROSS LINTEL_TARGET
export RUSTC=$LINTEL_CROSS/rustc
# Separate from native builds, which use another compiler.
export CARGO_TARGET_DIR=${LINTEL_CROSS_TARGET_DIR:-target-cross}

export PKG_CONFIG_ALLOW_CROSS=1
export PKG_CONFIG_SYSROOT_DIR=$_root
export PKG_CONFIG_LIBDIR=$_libraries/pkgconfig:$_root/usr/share/pkgconfig

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
_link="-Clink-arg=--sysroot=$_root -Clink-arg=-L$_libraries"
for _folder in "$_libraries" "$_libraries/blas" "$_libraries/lapack"; do
  _link+=" -Clink-arg=-Wl,-rpath-link,$_folder"
done
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS=$_link
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -L $_root"
# For C and C++ in crates (SQLite, libjpeg-turbo by cmake, ring).
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
export CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++
export AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar

# The bindings' generator reads arm64 headers, which Debian splits into two folders.
export OPENCV_DISABLE_PROBES=pkg_config,cmake,vcpkg_cmake,vcpkg
export OPENCV_INCLUDE_PATHS=$_root/usr/include/opencv4,$_root/usr/include/aarch64-linux-gnu/opencv4
export OPENCV_LINK_PATHS=$_libraries
export OPENCV_LINK_LIBS=opencv_core,opencv_imgproc,opencv_video,opencv_calib3d,opencv_features2d,opencv_flann
unset _root _libraries _link _folder
