// LAMMPS pair style of linear potentials on ACE invariants, loaded with `plugin load`.
//
//   pair_style pesforge
//   pair_coeff * * pesforge.ace Si O
//
// Where the file carries the posterior: leverages of atoms by fix ID all pair N pesforge leverage 1; with
// pair_style pesforge sigma, the standard deviation of the energy in eV by compute ID all pair pesforge, c_ID[1].

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "ace_kernel.h"
#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "pair.h"
#include "update.h"

using namespace LAMMPS_NS;

class PairPesforge : public Pair {
 public:
  explicit PairPesforge(LAMMPS *lmp) : Pair(lmp) {
    single_enable = 0;
    restartinfo = 0;
    one_coeff = 1;
    manybody_flag = 1;
    centroidstressflag = CENTROID_NOTAVAIL;
  }

  ~PairPesforge() override {
    if (copymode) return;
    delete[] pvector;
    memory->destroy(setflag);
    memory->destroy(cutsq);
  }

  void settings(int narg, char **arg) override {
    if (narg > 1 || (narg == 1 && std::strcmp(arg[0], "sigma") != 0))
      error->all(FLERR, "Pair style pesforge takes no argument but sigma");
    delete[] pvector;
    nextra = narg;
    pvector = narg ? new double[1]{} : nullptr;
  }

  void coeff(int narg, char **arg) override {
    if (!allocated) allocate();
    map_element2type(narg - 3, arg + 3);
    if (std::strcmp(update->unit_style, "metal") != 0) error->all(FLERR, "Pair style pesforge needs units metal");
    try {
      evaluator_ = std::make_unique<pesforge::BlockEvaluator>(pesforge::read_ace_file(arg[2]));
    } catch (const std::exception &problem) {
      error->all(FLERR, "Pair style pesforge: {}", problem.what());
    }
    const std::vector<std::string> &known = evaluator_->file().species;
    species_of_type_.assign(atom->ntypes + 1, -1);
    for (int type = 1; type <= atom->ntypes; type++) {
      if (map[type] < 0) continue;
      const std::string symbol = elements[map[type]];
      const auto found = std::find(known.begin(), known.end(), symbol);
      if (found == known.end()) {
        std::string allowed;
        for (const std::string &name : known) allowed += " " + name;
        error->all(FLERR, "Pair style pesforge: {} has no element {}, it has:{}", arg[2], symbol, allowed);
      }
      species_of_type_[type] = found - known.begin();
    }
  }

  void init_style() override {
    if (!force->newton_pair) error->all(FLERR, "Pair style pesforge needs newton pair on");
    if (nextra) check_leverage();
    neighbor->add_request(this, NeighConst::REQ_FULL);
  }

  double init_one(int, int) override { return evaluator_->file().cutoff; }

  void compute(int eflag, int vflag) override {
    ev_init(eflag, vflag);
    if (leverage_flag_) {
      check_leverage();
      leverage_.assign(atom->nmax, 0.0);
    }
    if (wants_sigma()) total_.assign(evaluator_->file().triangle.size(), 0.0);
    for (int centre = 0; centre < int(evaluator_->file().species.size()); centre++) {
      atoms_.clear();
      for (int k = 0; k < list->inum; k++)
        if (species_of_type_[atom->type[list->ilist[k]]] == centre) atoms_.push_back(list->ilist[k]);
      for (size_t first = 0; first < atoms_.size(); first += pesforge::LANES) {
        const int count = std::min<size_t>(pesforge::LANES, atoms_.size() - first);
        compute_block(centre, &atoms_[first], count);
      }
    }
    if (wants_sigma()) set_sigma();
    if (vflag_fdotr) virial_fdotr_compute();
  }

  void *extract(const char *name, int &dimension) override {
    dimension = 0;
    if (std::strcmp(name, "leverage_flag") != 0) return nullptr;
    if (evaluator_) check_leverage();
    return &leverage_flag_;
  }

  void *extract_peratom(const char *name, int &columns) override {
    columns = 0;
    return std::strcmp(name, "leverage") == 0 ? leverage_.data() : nullptr;
  }

 private:
  bool wants_sigma() const { return nextra && eflag_global; }

  // LAMMPS adds up the values of all processes.
  void set_sigma() {
    std::vector<double> total(total_.size());
    MPI_Allreduce(total_.data(), total.data(), int(total.size()), MPI_DOUBLE, MPI_SUM, world);
    pvector[0] = comm->me ? 0.0 : evaluator_->sigma(total);
  }

  void check_leverage() {
    if (!evaluator_->file().n_directions) error->all(FLERR, "Pair style pesforge: the file carries no leverage");
  }

  void allocate() {
    const int n = atom->ntypes + 1;
    memory->create(setflag, n, n, "pair:setflag");
    memory->create(cutsq, n, n, "pair:cutsq");
    map = new int[n];
    allocated = 1;
  }

  // Slots of the block's atoms within the cutoff, species by species.
  void find_slots(const int *atoms, int count) {
    const int n_species = evaluator_->file().species.size();
    const double limit = evaluator_->file().cutoff * evaluator_->file().cutoff;
    double **x = atom->x;
    near_.resize(n_species * pesforge::LANES);
    for (auto &near : near_) near.clear();
    for (int lane = 0; lane < count; lane++) {
      const int i = atoms[lane];
      for (int k = 0; k < list->numneigh[i]; k++) {
        const int j = list->firstneigh[i][k] & NEIGHMASK;
        const int species = species_of_type_[atom->type[j]];
        const double dx = x[j][0] - x[i][0], dy = x[j][1] - x[i][1], dz = x[j][2] - x[i][2];
        if (species >= 0 && dx * dx + dy * dy + dz * dz < limit) near_[species * pesforge::LANES + lane].push_back(j);
      }
    }
    slots_.clear();
    for (int species = 0; species < n_species; species++) {
      size_t most = 0;
      const auto *near = &near_[species * pesforge::LANES];
      for (int lane = 0; lane < pesforge::LANES; lane++) most = std::max(most, near[lane].size());
      for (size_t k = 0; k < most; k++) {
        pesforge::Slot slot;
        slot.species = species;
        for (int lane = 0; lane < pesforge::LANES; lane++) {
          double d[3] = {0, 0, 1};
          slot.neighbour[lane] = -1;
          if (k < near[lane].size()) {
            const int i = atoms[lane], j = slot.neighbour[lane] = near[lane][k];
            for (int a = 0; a < 3; a++) d[a] = x[j][a] - x[i][a];
          }
          const double distance = std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
          slot.distance.set(lane, distance);
          for (int a = 0; a < 3; a++) slot.direction[a].set(lane, d[a] / distance);
        }
        slots_.push_back(slot);
      }
    }
  }

  void compute_block(int centre, const int *atoms, int count) {
    find_slots(atoms, count);
    evaluator_->set_neighbours(slots_);
    const pesforge::Lanes energy = evaluator_->energies(centre);
    evaluator_->set_forces(slots_);
    for (int lane = 0; lane < count; lane++) {
      if (eflag_global) eng_vdwl += energy[lane];
      if (eflag_atom) eatom[atoms[lane]] += energy[lane];
    }
    for (const pesforge::Slot &slot : slots_)
      for (int lane = 0; lane < count; lane++)
        if (slot.neighbour[lane] >= 0) add_force(atoms[lane], slot.neighbour[lane], slot, lane);
    if (leverage_flag_ || wants_sigma()) evaluator_->set_functions();
    if (wants_sigma()) evaluator_->add_functions(centre, count, total_);
    if (leverage_flag_) {
      const pesforge::Lanes leverage = evaluator_->leverages(centre);
      for (int lane = 0; lane < count; lane++) leverage_[atoms[lane]] = leverage[lane];
    }
  }

  void add_force(int i, int j, const pesforge::Slot &slot, int lane) {
    double **f = atom->f;
    double along[3], pull[3];
    for (int a = 0; a < 3; a++) {
      pull[a] = slot.force[a][lane];
      along[a] = -slot.direction[a][lane] * slot.distance[lane];
      f[i][a] += pull[a];
      f[j][a] -= pull[a];
    }
    if (vflag_either) {
      ev_tally_xyz(i, j, atom->nlocal, force->newton_pair, 0, 0, pull[0], pull[1], pull[2], along[0], along[1], along[2]);
    }
  }

  std::unique_ptr<pesforge::BlockEvaluator> evaluator_;
  std::vector<int> species_of_type_, atoms_;
  std::vector<std::vector<int>> near_;
  std::vector<pesforge::Slot> slots_;
  std::vector<double> leverage_, total_;
  int leverage_flag_ = 0;
};

// The plugin interface of LAMMPS, whose header is not among those of the Python package.
extern "C" {
typedef void *(lammpsplugin_factory1)(void *);
typedef void *(lammpsplugin_factory2)(void *, int, char **);
typedef struct {
  const char *version;
  const char *style;
  const char *name;
  const char *info;
  const char *author;
  union {
    lammpsplugin_factory1 *v1;
    lammpsplugin_factory2 *v2;
  } creator;
  void *handle;
} lammpsplugin_t;
typedef void (*lammpsplugin_regfunc)(lammpsplugin_t *, void *);

static void *create_pair(void *lmp) { return new PairPesforge(static_cast<LAMMPS *>(lmp)); }

void lammpsplugin_init(void *lmp, void *handle, void *regfunc) {
  lammpsplugin_t plugin;
  plugin.version = PESFORGE_LAMMPS_VERSION;
  plugin.style = "pair";
  plugin.name = "pesforge";
  plugin.info = "linear potentials on ACE invariants";
  plugin.author = "pesforge";
  plugin.creator.v1 = create_pair;
  plugin.handle = handle;
  reinterpret_cast<lammpsplugin_regfunc>(regfunc)(&plugin, lmp);
}
}
