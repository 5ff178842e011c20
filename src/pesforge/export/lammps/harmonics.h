// Spherical harmonics of a block of directions.
#ifndef PESFORGE_HARMONICS_H
#define PESFORGE_HARMONICS_H

#include <algorithm>
#include <cmath>
#include <vector>

#include "lanes.h"

namespace pesforge {

// Real orthonormal spherical harmonics without the Condon-Shortley phase, m from -l to l at index l*l + l + m:
// p_lm(z) times the real or imaginary part of (x + iy)^m, p_lm by recursion in l.
class Harmonics {
 public:
  void prepare(int l_max) {
    l_max_ = l_max;
    const int n = l_max + 2;
    rise_.assign(n * n, 0);
    fall_.assign(n * n, 0);
    norm_.assign(n * n, 0);
    p_.assign(n * n, Lanes{});
    cosine_.assign(n, Lanes{});
    sine_.assign(n, Lanes{});
    for (int m = 0; m <= l_max; m++)
      for (int l = m; l <= l_max; l++) {
        double factor = (2 * l + 1) / (4 * M_PI) * (m ? 2 : 1);
        for (int k = l - m + 1; k <= l + m; k++) factor /= k;
        norm_[l * n + m] = std::sqrt(factor);
      }
    double diagonal = 1;
    start_.assign(n, 0);
    for (int m = 0; m <= l_max; m++) {
      if (m) diagonal *= 2 * m - 1;
      start_[m] = diagonal * norm_[m * n + m];
      for (int l = m + 1; l <= l_max; l++) {
        rise_[l * n + m] = double(2 * l - 1) / (l - m) * norm_[l * n + m] / norm_[(l - 1) * n + m];
        if (l > m + 1) fall_[l * n + m] = double(l + m - 1) / (l - m) * norm_[l * n + m] / norm_[(l - 2) * n + m];
      }
    }
  }

  // Fills p_lm and the powers of x + iy for the directions of a slot.
  void set(const Lanes *direction) {
    const int n = l_max_ + 2;
    const Vector *__restrict x = direction[0].v, *__restrict y = direction[1].v, *__restrict z = direction[2].v;
    cosine_[0] = everywhere(1);
    sine_[0] = everywhere(0);
    for (int m = 1; m <= l_max_; m++) {
      PESFORGE_LANES {
        cosine_[m].v[s] = x[s] * cosine_[m - 1].v[s] - y[s] * sine_[m - 1].v[s];
        sine_[m].v[s] = x[s] * sine_[m - 1].v[s] + y[s] * cosine_[m - 1].v[s];
      }
    }
    for (int m = 0; m <= l_max_; m++) {
      p_[m * n + m] = everywhere(start_[m]);
      for (int l = m + 1; l <= l_max_; l++) {
        const double a = rise_[l * n + m], b = fall_[l * n + m];
        const Vector *__restrict one = p_[(l - 1) * n + m].v, *__restrict two = p_[std::max(l - 2, 0) * n + m].v;
        Vector *__restrict p = p_[l * n + m].v;
        PESFORGE_LANES p[s] = a * z[s] * one[s] - b * two[s];
      }
    }
  }

  void values(Lanes *__restrict Y) const {
    const int n = l_max_ + 2;
    for (int l = 0; l <= l_max_; l++) {
      const int middle = l * l + l;
      PESFORGE_LANES Y[middle].v[s] = p_[l * n].v[s];
      for (int m = 1; m <= l; m++) {
        PESFORGE_LANES {
          Y[middle + m].v[s] = p_[l * n + m].v[s] * cosine_[m].v[s];
          Y[middle - m].v[s] = p_[l * n + m].v[s] * sine_[m].v[s];
        }
      }
    }
  }

  // sum_lm outward_lm Y_lm, and sum_lm sideways_lm dY_lm/d(x, y, z) with x, y, z taken as independent.
  void contract(const Lanes *__restrict outward, const Lanes *__restrict sideways, Lanes &value, Lanes *gradient) const {
    const int n = l_max_ + 2;
    Lanes total{}, gx{}, gy{}, gz{};
    for (int l = 0; l <= l_max_; l++) {
      const Vector *__restrict p = p_[l * n].v, *__restrict o = outward[l * l + l].v, *__restrict w = sideways[l * l + l].v;
      const double ratio = l ? norm_[l * n] / norm_[l * n + 1] : 0;
      const Vector *__restrict q = p_[l * n + (l ? 1 : 0)].v;
      PESFORGE_LANES {
        total.v[s] += p[s] * o[s];
        gz.v[s] += ratio * q[s] * w[s];
      }
    }
    for (int m = 1; m <= l_max_; m++) {
      Lanes oc{}, os{}, wc{}, ws{}, zc{}, zs{};
      for (int l = m; l <= l_max_; l++) {
        const int plus = l * l + l + m, minus = plus - 2 * m;
        const double ratio = l > m ? norm_[l * n + m] / norm_[l * n + m + 1] : 0;
        const Vector *__restrict p = p_[l * n + m].v, *__restrict q = p_[l * n + (l > m ? m + 1 : m)].v;
        const Vector *__restrict op = outward[plus].v, *__restrict om = outward[minus].v;
        const Vector *__restrict wp = sideways[plus].v, *__restrict wm = sideways[minus].v;
        PESFORGE_LANES {
          oc.v[s] += p[s] * op[s];
          os.v[s] += p[s] * om[s];
          wc.v[s] += p[s] * wp[s];
          ws.v[s] += p[s] * wm[s];
          zc.v[s] += ratio * q[s] * wp[s];
          zs.v[s] += ratio * q[s] * wm[s];
        }
      }
      const Vector *__restrict c = cosine_[m].v, *__restrict i = sine_[m].v;
      const Vector *__restrict c1 = cosine_[m - 1].v, *__restrict i1 = sine_[m - 1].v;
      PESFORGE_LANES {
        total.v[s] += oc.v[s] * c[s] + os.v[s] * i[s];
        gz.v[s] += zc.v[s] * c[s] + zs.v[s] * i[s];
        gx.v[s] += m * (wc.v[s] * c1[s] + ws.v[s] * i1[s]);
        gy.v[s] += m * (ws.v[s] * c1[s] - wc.v[s] * i1[s]);
      }
    }
    value = total;
    gradient[0] = gx;
    gradient[1] = gy;
    gradient[2] = gz;
  }

 private:
  int l_max_ = 0;
  std::vector<double> rise_, fall_, norm_, start_;
  std::vector<Lanes> p_, cosine_, sine_;
};

}  // namespace pesforge

#endif
