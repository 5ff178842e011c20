// Numbers of a block of atoms, one atom per SIMD lane.
#ifndef PESFORGE_LANES_H
#define PESFORGE_LANES_H

namespace pesforge {

constexpr int LANES = 16;
#if defined(__AVX512F__)
constexpr int WIDTH = 8;
#elif defined(__AVX__)
constexpr int WIDTH = 4;
#else
constexpr int WIDTH = 2;
#endif

// The numbers of one register; an extension of GCC and Clang with the usual arithmetic.
typedef double Vector __attribute__((vector_size(8 * WIDTH)));

// One number per atom of a block.
struct alignas(64) Lanes {
  Vector v[LANES / WIDTH];
  double operator[](int lane) const { return v[lane / WIDTH][lane % WIDTH]; }
  void set(int lane, double value) { v[lane / WIDTH][lane % WIDTH] = value; }
};

inline Lanes everywhere(double value) {
  Lanes result;
  for (Vector &part : result.v) part = Vector{} + value;
  return result;
}

// For all vectors s of the lanes.
#define PESFORGE_LANES for (int s = 0; s < LANES / WIDTH; s++)

}  // namespace pesforge

#endif
