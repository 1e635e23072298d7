// Sockets on their way to the data process that runs.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "handover.hpp"

namespace racoon::kernel_userspace {
namespace {

bool same_file(int a, int b) {
    struct stat x {
    }, y{};
    return ::fstat(a, &x) == 0 && ::fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

TEST(Handover, GivesACopyForAPlaceAndTakesItAway) {
    Fd keeper, data;
    Failure failure;
    ASSERT_TRUE(make_handover(&keeper, &data, &failure)) << failure.text;
    EXPECT_FALSE(receive_handed(data.get())) << "nothing was sent";
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_TRUE(hand_over(keeper, 3, socket.get(), &failure)) << failure.text;
    ASSERT_TRUE(hand_over(keeper, 3, -1, &failure)) << failure.text;

    const auto given = receive_handed(data.get());
    ASSERT_TRUE(given);
    const Fd copy(given->fd);
    EXPECT_EQ(given->place, 3);
    EXPECT_NE(copy.get(), socket.get());
    EXPECT_TRUE(same_file(copy.get(), socket.get()));
    EXPECT_NE(::fcntl(copy.get(), F_GETFD) & FD_CLOEXEC, 0);

    const auto taken = receive_handed(data.get());
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->place, 3);
    EXPECT_EQ(taken->fd, -1);
}

TEST(Handover, APlaceThatThereIsNotIsDroppedWithItsSocket) {
    Fd keeper, data;
    Failure failure;
    ASSERT_TRUE(make_handover(&keeper, &data, &failure)) << failure.text;
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    ASSERT_TRUE(hand_over(keeper, kMostUdp, writer.get(), &failure)) << failure.text;
    EXPECT_FALSE(receive_handed(data.get()));
    writer = Fd();
    char byte = 0;
    EXPECT_EQ(::read(reader.get(), &byte, 1), 0) << "a copy of the writing end is open still";
}

TEST(Handover, NobodyAtTheOtherEndIsAnErrorWithItsNumber) {
    Fd keeper;
    Failure failure;
    {
        Fd data;
        ASSERT_TRUE(make_handover(&keeper, &data, &failure)) << failure.text;
    }
    EXPECT_FALSE(hand_over(keeper, 0, 0, &failure));
    EXPECT_NE(failure.os_errno, 0);
    EXPECT_FALSE(failure.text.empty());
}

}  // namespace
}  // namespace racoon::kernel_userspace
