// SPDX-License-Identifier: GPL-2.0
// A pool of threads as programs in C++ have it, which adds numbers up, and knows the sum.
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <future>
#include <mutex>
#include <queue>
#include <shared_mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

constexpr int THREADS = 8;
constexpr int JOBS = 400;

std::atomic<int> destroyed;

struct Local {
	int jobs = 0;

	~Local()
	{
		// Those of threads that use it have locks and memory as always.
		std::vector<int> memory(1000, jobs);
		destroyed += memory.back() == jobs;
	}
};

thread_local Local local;

class Pool {
public:
	Pool()
	{
		for (int i = 0; i < THREADS; i++)
			threads.emplace_back([this] { serve(); });
	}

	~Pool()
	{
		{
			std::lock_guard lock(mutex);
			ends = true;
		}
		condition.notify_all();
		for (auto &thread : threads)
			thread.join();
	}

	void add(std::packaged_task<long()> job)
	{
		{
			std::lock_guard lock(mutex);
			jobs.push(std::move(job));
		}
		condition.notify_one();
	}

private:
	void serve()
	{
		local.jobs = 0;
		std::unique_lock lock(mutex);
		for (;;) {
			condition.wait(lock, [this] { return ends || !jobs.empty(); });
			if (jobs.empty())
				return;
			auto job = std::move(jobs.front());
			jobs.pop();
			lock.unlock();
			job();
			local.jobs++;
			std::this_thread::yield();
			lock.lock();
		}
	}

	std::mutex mutex;
	std::condition_variable condition;
	std::queue<std::packaged_task<long()>> jobs;
	std::vector<std::thread> threads;
	bool ends = false;
};

long add_up(long number, std::shared_mutex &shared, std::vector<long> &table)
{
	if (number % 50 == 49)
		throw std::runtime_error("no such number");
	if (number % 10 == 0) {
		std::unique_lock lock(shared);
		table.push_back(number);
	}
	if (number % 7 == 0)
		std::this_thread::sleep_for(std::chrono::microseconds(50));
	std::shared_lock lock(shared);
	return number;
}

}

int main()
{
	std::vector<std::future<long>> results;
	std::vector<long> table;
	std::shared_mutex shared;
	long sum = 0, wanted = 0;
	int failures = 0;

	{
		Pool pool;

		for (long i = 0; i < JOBS; i++) {
			std::packaged_task<long()> job([i, &shared, &table] {
				return add_up(i, shared, table);
			});
			results.push_back(job.get_future());
			pool.add(std::move(job));
			wanted += i % 50 == 49 ? 0 : i;
		}
		for (auto &result : results) {
			try {
				sum += result.get();
			} catch (const std::runtime_error &) {
				failures++;
			}
		}
	}
	std::printf("sum %ld, table %zu, failures %d, destroyed %d\n", sum, table.size(), failures,
		    destroyed.load());
	return !(sum == wanted && table.size() == JOBS / 10 && failures == JOBS / 50 &&
		 destroyed == THREADS);
}
